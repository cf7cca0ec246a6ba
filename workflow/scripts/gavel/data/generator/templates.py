"""Sentence templates of the word-problem generator: three stocks without a common template.

A story is an opener, some events and a closer. Every sentence states numbers (`{a}`, `{b}`); its steps change the
running quantity `{q}`. A step of two operations has an intermediate value `{t}`.

* `MAIN` is used for the labelled, unlabelled, validation and main test problems.
* `WIDE` is used for pretraining only, beside `MAIN` and in shorter stories. It expresses the same operations in many
  ways, with the vocabulary of all stocks, so that test sentences may be new but their words are not.
* Every main sentence also has a `paraphrase`, used only by the 'problem understanding' perturbation.
* `SVAMP` has the same operations in other sentences, which occur neither in pretraining nor in any judge's training.
"""

from dataclasses import dataclass

NAMES = (
    "Anna Ben Carla David Emma Felix Grace Henry Iris Jack Kate Leo Maria Noah Olga Paul Ruth Sam Tina Victor"
).split()
ITEMS = (
    "apples books candles cards coins cookies crayons eggs flowers keys marbles muffins oranges pears pencils "
    "shells stamps stickers stones toys"
).split()
BOXES = "bags baskets boxes jars packs".split()
COLOURS = "red blue green yellow white black".split()


@dataclass(frozen=True)
class Sentence:
    """One sentence of a story.

    `text` and `paraphrase` have slots for numbers, names (`{n}`, `{m}`; `{p}` only in closers), things (`{x}`),
    containers (`{box}`) and colours (`{c1}`, `{c2}`). `steps` are `(target, expression)` pairs; the last target is
    `q`. `ranges` gives each number's inclusive range. `question` is set in closers; `unit` is what the answer
    counts (the things by default).
    """

    text: str
    steps: tuple[tuple[str, str], ...]
    ranges: tuple[tuple[int, int], ...] = ((2, 40),)
    paraphrase: str = ""
    question: str = ""
    question_paraphrase: str = ""
    unit: str = "{x}"


SMALL, TIMES, WIDE = (2, 9), (2, 9), (5, 60)

MAIN_OPENERS = (
    Sentence("{n} has {a} {x}.", (), (WIDE,), "In the beginning, {a} {x} belong to {n}."),
    Sentence("{n} buys {a} {box} with {b} {x} in each.", (("q", "{a}*{b}"),), (SMALL, (3, 12)),
             "In the shop {n} pays for {a} {box}, and each of them holds {b} {x}."),
    Sentence("{n} has {a} {c1} {x} and {b} {c2} {x}.", (("q", "{a}+{b}"),), (WIDE, WIDE),
             "Of the {x} that belong to {n}, {a} are {c1} and {b} are {c2}."),
    Sentence("{m} has {a} {x}. {n} has {b} times as many {x} as {m}.", (("q", "{a}*{b}"),), ((3, 15), TIMES),
             "Take the {a} {x} of {m} {b} times, and you know how many {x} are owned by {n}."),
    Sentence("{m} has {a} {x}. {n} has {b} more {x} than {m}.", (("q", "{a}+{b}"),), (WIDE, (2, 30)),
             "The {x} of {n} exceed the {a} {x} of {m} by {b}."),
    Sentence("{m} has {a} {x}. {n} has {b} fewer {x} than {m}.", (("q", "{a}-{b}"),), ((15, 80), (2, 30)),
             "The {x} of {n} fall short of the {a} {x} of {m} by {b}."),
    Sentence("{n} picks {a} {x} a day for {b} days.", (("q", "{a}*{b}"),), ((3, 15), SMALL),
             "On each of {b} days in a row, {a} {x} are picked by {n}."),
    Sentence("{n} has {a} {x} and then doubles them.", (("q", "{a}*2"),), (WIDE,),
             "The {a} {x} of {n} become twice as many."),
)  # fmt: skip

MAIN_EVENTS = (
    Sentence("{n} buys {a} more {x}.", (("q", "{q}+{a}"),), ((2, 40),), "Then {a} {x} are added by {n}."),
    Sentence("{n} gives {a} {x} to {m}.", (("q", "{q}-{a}"),), ((2, 30),), "Then {m} receives {a} {x} from {n}."),
    Sentence("{n} loses {a} {x}.", (("q", "{q}-{a}"),), ((2, 30),), "Then {a} of the {x} can not be found by {n}."),
    Sentence("{n} loses half of the {x}.", (("q", "{q}/2"),), (), "Then one of every two {x} is lost by {n}."),
    Sentence("{m} gives {n} {a} {x}.", (("q", "{q}+{a}"),), ((2, 40),), "Then {n} receives {a} {x} from {m}."),
    Sentence("{n} finds {a} {box} with {b} {x} in each.", (("t", "{a}*{b}"), ("q", "{q}+{t}")), (SMALL, (2, 12)),
             "Then {a} {box}, with {b} {x} in every one, are found by {n}."),
    Sentence("{n} eats {a} {x} a day for {b} days.", (("t", "{a}*{b}"), ("q", "{q}-{t}")), (SMALL, (2, 7)),
             "On each of {b} days in a row, {a} {x} are eaten by {n}."),
    Sentence("Then {n} triples the {x}.", (("q", "{q}*3"),), (), "Then {n} has three times as many {x}."),
)  # fmt: skip

MAIN_CLOSERS = (
    Sentence("", (), (), "", "How many {x} does {n} have now?", "What is the number of {x} that {n} owns in the end?"),
    Sentence("{n} shares the {x} equally among {a} friends.", (("q", "{q}/{a}"),), (SMALL,),
             "All of the {x} of {n} go to {a} friends, the same number to each.",
             "How many {x} does each friend get?", "What is the number of {x} for one friend?"),
    Sentence("{n} sells each of the {x} for {a} dollars.", (("q", "{q}*{a}"),), (SMALL,),
             "The price of one of the {x} is {a} dollars, and {n} sells them all.",
             "How much money does {n} make?", "What is the number of dollars that {n} gets?", "dollars"),
    Sentence("{p} has {a} {x}.", (("q", "{q}+{a}"),), ((2, 50),), "A number of {a} {x} belong to {p}.",
             "How many {x} do {n} and {p} have together?", "What is the number of {x} of both {n} and {p}?"),
    Sentence("{p} has {a} {x}.", (("q", "{q}-{a}"),), ((2, 40),), "A number of {a} {x} belong to {p}.",
             "How many more {x} does {n} have than {p}?", "By what number do the {x} of {n} exceed those of {p}?"),
    Sentence("{n} puts the {x} into {box} of {a}.", (("q", "{q}/{a}"),), (SMALL,),
             "Each of the {box} that {n} fills holds {a} of the {x}.",
             "How many {box} does {n} fill?", "What is the number of {box}?", "{box}"),
)  # fmt: skip

WIDE_OPENERS = (
    Sentence("In the morning {n} had {a} {x}.", (), (WIDE,)),
    Sentence("There are {a} {x} in the shop of {n}.", (), (WIDE,)),
    Sentence("On the table are {a} {x} that {n} owns.", (), (WIDE,)),
    Sentence("A number of {a} {x} was collected by {n} today.", (), (WIDE,)),
    Sentence("In the beginning there were {a} {c1} {x} at home.", (), ((100, 900),)),
    Sentence("{n} pays for {a} {box}. One of the {box} holds {b} {x}.", (("q", "{a}*{b}"),), (SMALL, (3, 12))),
    Sentence("Each of {a} friends brought {b} {x} to {n}.", (("q", "{a}*{b}"),), (SMALL, (3, 12))),
    Sentence("{n} fills {a} {box}, and every one of them can hold {b} {x}.", (("q", "{a}*{b}"),), (SMALL, (3, 12))),
    Sentence("{n} collected {a} {x} in the evening of each of {b} days.", (("q", "{a}*{b}"),), ((3, 15), SMALL)),
    Sentence("On the first day {a} {x} were found by {n}, and on the second day {b}.", (("q", "{a}+{b}"),),
             (WIDE, WIDE)),
    Sentence("{a} {x} belong to {n}, and {m} brought {b} more.", (("q", "{a}+{b}"),), (WIDE, WIDE)),
    Sentence("A shop got {a} {c1} {x} in the morning. In the evening it got {b} {c2} {x}.", (("q", "{a}+{b}"),),
             (WIDE, WIDE)),
    Sentence("Of {a} {x} in the box of {n}, {b} were taken by {m}.", (("q", "{a}-{b}"),), ((15, 80), (2, 30))),
    Sentence("{n} wants {a} {x} but {b} of them are missing.", (("q", "{a}-{b}"),), ((15, 80), (2, 30))),
    Sentence("There are {a} places in a box, and {n} puts {x} into all but {b} of its places.", (("q", "{a}-{b}"),),
             ((15, 80), (2, 30))),
    Sentence("A {c1} box held {a} {x}, all of them owned by {n}.", (), (WIDE,)),
    Sentence("Every day {n} receives {a} {x}, {b} days in a row.", (("q", "{a}*{b}"),), ((3, 15), SMALL)),
    Sentence("Take {a} {x} from the shop and {b} from {m}, and you know what {n} has.", (("q", "{a}+{b}"),),
             (WIDE, WIDE)),
    Sentence("{m} collected {a} {x}. Those of {n} are {b} times that number.", (("q", "{a}*{b}"),), ((3, 15), TIMES)),
)  # fmt: skip

WIDE_EVENTS = (
    Sentence("After that {a} more {x} belong to {n}.", (("q", "{q}+{a}"),), ((2, 40),)),
    Sentence("Later {n} received {a} {x}.", (("q", "{q}+{a}"),), ((2, 40),)),
    Sentence("Then {m} brought {n} another {a}.", (("q", "{q}+{a}"),), ((2, 40),)),
    Sentence("{a} {x} are added to them.", (("q", "{q}+{a}"),), ((2, 40),)),
    Sentence("After that {a} of the {x} were eaten.", (("q", "{q}-{a}"),), ((2, 30),)),
    Sentence("Later {m} took {a} of them away.", (("q", "{q}-{a}"),), ((2, 30),)),
    Sentence("In the evening {a} {x} can not be found.", (("q", "{q}-{a}"),), ((2, 30),)),
    Sentence("{n} lost {a} of them on the first day.", (("q", "{q}-{a}"),), ((2, 30),)),
    Sentence("Later one half of the {x} was taken.", (("q", "{q}/2"),), ()),
    Sentence("After that there are twice as many {x}.", (("q", "{q}*2"),), ()),
    Sentence("The number of {x} becomes three times what it was.", (("q", "{q}*3"),), ()),
    Sentence("{a} {box} are brought to {n}, and {b} {x} are in every one.", (("t", "{a}*{b}"), ("q", "{q}+{t}")),
             (SMALL, (2, 12))),
    Sentence("On each of {a} days {b} {x} were taken away.", (("t", "{a}*{b}"), ("q", "{q}-{t}")), (SMALL, (2, 7))),
    Sentence("In two days they become {a} more.", (("q", "{q}+{a}"),), ((2, 40),)),
    Sentence("From those, {a} were picked by two friends.", (("q", "{q}-{a}"),), ((2, 30),)),
    Sentence("{m} owns {a} {y}.", (), (WIDE,)),
    Sentence("Some {y} of {m} are also {a} years old.", (), (WIDE,)),
    Sentence("{m} pays {a} dollars for {y}.", (), (WIDE,)),
)  # fmt: skip

WIDE_CLOSERS = (
    Sentence("", (), (), "", "What number of {x} is there in the end?"),
    Sentence("", (), (), "", "How many of the {x} does {n} own after that?"),
    Sentence("They go to {a} friends in equal parts.", (("q", "{q}/{a}"),), (SMALL,), "",
             "How many {x} are there for a friend?"),
    Sentence("{n} makes {a} equal groups of the {x}.", (("q", "{q}/{a}"),), (SMALL,), "", "How large is each group?"),
    Sentence("The {x} are put into {a} {box}, the same number into each.", (("q", "{q}/{a}"),), (SMALL,), "",
             "How many {x} does one of the {box} hold?"),
    Sentence("", (), (), "", "How many {x} did {n} get from all this?"),
    Sentence("The {x} are divided, and some friends get {a} {x} each.", (("q", "{q}/{a}"),), (SMALL,), "",
             "How many friends are there?", "", "friends"),
    Sentence("All of the {x} cost {a} dollars each.", (("q", "{q}*{a}"),), (SMALL,), "",
             "And {n} gets how many dollars?", "", "dollars"),
    Sentence("{p} has {a} {x}, and those of {n} fall short of that.", (("q", "{a}-{q}"),), ((40, 99),), "",
             "By how many?"),
    Sentence("One of them costs {a} dollars.", (("q", "{q}*{a}"),), (SMALL,), "",
             "What is the price of all the {x}?", "", "dollars"),
    Sentence("{m} pays {a} dollars for every one of them.", (("q", "{q}*{a}"),), (SMALL,), "",
             "How many dollars does {n} get?", "", "dollars"),
    Sentence("Those of {p} are {a}.", (("q", "{q}+{a}"),), ((2, 50),), "", "What do both of them own together?"),
    Sentence("{p} got {a} {x} in the shop.", (("q", "{q}-{a}"),), ((2, 40),), "",
             "By how many {x} does {n} exceed {p}?"),
    Sentence("{n} wants {a} of them in the end.", (("q", "{a}-{q}"),), ((40, 99),), "",
             "What number of {x} does {n} need?"),
    Sentence("A {c1} box has places for {a} {x}.", (("q", "{a}-{q}"),), ((40, 99),), "",
             "How many of its places are free?"),
)  # fmt: skip

SVAMP_OPENERS = (
    Sentence("There were {a} {x} on the table.", (), (WIDE,)),
    Sentence(
        "A shop got {a} {box} today and every one of them held {b} {x}.",
        (("q", "{a}*{b}"),),
        (SMALL, (3, 12)),
    ),
    Sentence("{n} collected {a} {x} in the morning and {b} {x} in the evening.", (("q", "{a}+{b}"),), (WIDE, WIDE)),
    Sentence("A box can hold {a} {x} but {b} of its places are free.", (("q", "{a}-{b}"),), ((15, 80), (2, 30))),
)
SVAMP_EVENTS = (
    Sentence("Later {a} {x} were taken away.", (("q", "{q}-{a}"),), ((2, 30),)),
    Sentence("After that {m} brought {a} {x}.", (("q", "{q}+{a}"),), ((2, 40),)),
)
SVAMP_CLOSERS = (
    Sentence("", (), (), "", "How many {x} are there in the end?"),
    Sentence("They are divided into {a} equal groups.", (("q", "{q}/{a}"),), (SMALL,), "",
             "How many {x} are in a group?"),
    Sentence("Every one of the {x} costs {a} dollars.", (("q", "{q}*{a}"),), (SMALL,), "",
             "How many dollars do all the {x} cost?", "", "dollars"),
    Sentence("{p} wants to have {a} {x}.", (("q", "{a}-{q}"),), ((40, 99),), "",
             "How many {x} are missing?"),
)  # fmt: skip

DISTRACTORS = (
    "{d} has {z} {y}.",
    "{d} is {z} years old.",
    "{n} also has {z} {y} at home.",
    "The {y} of {d} cost {z} dollars.",
)
