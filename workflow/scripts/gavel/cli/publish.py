"""`gavel publish`: a finished run as a model and a data set for the Hugging Face hub."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gavel.cli.commands import Commands, add_command
from gavel.common.errors import InputError
from gavel.study.layout import Layout

if TYPE_CHECKING:  # its import takes seconds
    from gavel.publish.folder import Upload

UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def add_publish(commands: Commands) -> None:
    parser = add_command(
        commands,
        "publish",
        help="a finished run as a model and a data set for the Hugging Face hub, with cards",
        description="Writes two folders: `model` has the checkpoint of the main results, `dataset` the scored test "
        "samples and the rollouts, each with a card that is generated from the study's files. Only --push uploads "
        "anything. A folder that is there already is uploaded as it is, so you may edit the cards first.",
        examples=[
            "publish results",
            "publish results/mine --run grpo-lambda0.5-seed0 --repo my-group/my-model",
            "publish results/mine --run grpo-lambda0.5-seed0 --repo my-group/my-model --push --private",
        ],
    )
    parser.add_argument(
        "results", metavar="RESULTS", help="a finished study's results folder, or the folder of a run in it"
    )
    parser.add_argument(
        "--run",
        dest="chosen",
        metavar="RUN",
        help="the run (default: the primary comparison's; of several seeds, the first)",
    )
    parser.add_argument("--out", metavar="FOLDER", help="folder to write (default: RESULTS/published/RUN)")
    parser.add_argument(
        "--repo", metavar="OWNER/NAME", help="the model's name on the hub; the data set's is OWNER/NAME-data"
    )
    parser.add_argument("--push", action="store_true", help="upload to the hub, with the token in HF_TOKEN or a login")
    parser.add_argument("--private", action="store_true", help="with --push: only its owner sees what is uploaded")
    parser.add_argument("--no-dataset", dest="dataset", action="store_false", help="only the model")
    parser.add_argument(
        "--base-model",
        metavar="OWNER/NAME",
        help="the student's name on the hub, if it was a local folder; with --adapters, that of the model below",
    )
    parser.add_argument(
        "--adapters", action="store_true", help="of an RL run with LoRA: the adapters in place of the merged model"
    )
    parser.add_argument(
        "--withheld-answers",
        action="store_true",
        help="publish the gold answers of unlabelled questions too, and rewards that were computed from them",
    )
    parser.set_defaults(run=publish)


def publish(options: argparse.Namespace) -> None:
    """`gavel publish`: write the folders, and upload them or show what would be uploaded."""
    from gavel.publish import hub  # pandas and matplotlib take seconds; other commands should not wait
    from gavel.publish.chosen import Plan, choose
    from gavel.publish.folder import write_folders

    plan = Plan(options.repo, options.base_model, options.adapters, options.dataset, options.withheld_answers)
    for option, name in {"--repo": plan.repo, "data set": plan.dataset_repo, "--base-model": plan.base}.items():
        if name is not None:
            hub.check_name(name, option)
    if options.push:
        if plan.repo is None:
            raise InputError("--push: needs --repo OWNER/NAME, the model's name on the hub")
        hub.check_login()
    elif options.private:
        raise InputError("--private: only --push creates a repository; add it, or leave out --private")
    results, run = _place(options.results, options.chosen)
    chosen = choose(results, run)
    out = Path(options.out or Path(results, "published", chosen.run))
    uploads = write_folders(chosen, plan, out)
    if not options.push:
        print("\n".join(_preview(uploads)))
        return
    for upload in uploads:
        commit = hub.push(upload, private=options.private, message=f"Upload {chosen.run} with Gavel")
        print(f"{upload.kind}: {hub.address(upload)} ({commit})")


def _place(name: str, run: str | None) -> tuple[str, str | None]:
    """The results folder and the run; `name` may be the run's own folder."""
    path = Path(name)
    if Path(Layout(path).config).is_file() or path.parent.name != "runs":
        return name, run
    if run not in (None, path.name):
        raise InputError(f"{name}: is the folder of another run than --run {run}; name one of them")
    return str(path.parent.parent), path.name


def _preview(uploads: Sequence["Upload"]) -> Iterator[str]:
    """What `--push` would upload, file by file."""
    from gavel.publish.hub import address

    for upload in uploads:
        files = upload.files
        place = f", for {address(upload)}" if upload.repo else ""
        yield f"{upload.folder}: {len(files)} files, {_size(sum(files.values()))}{place}"
        yield from (f"  {_size(size):>8}  {name}" for name, size in files.items())
    more = "add --push" if uploads[0].repo else "add --repo OWNER/NAME --push"
    yield f"\nnothing was uploaded; read {uploads[0].folder / 'README.md'}, then {more} to upload"


def _size(number: float) -> str:
    unit, name = next(((unit, name) for unit, name in UNITS if number >= unit), (1, "B"))
    return f"{number / unit:.0f} {name}" if unit == 1 else f"{number / unit:.1f} {name}"
