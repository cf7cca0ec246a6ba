"""A finished run as folders for the Hugging Face hub, with cards that are made from the study's files.

The numbers come from the readers and sections of the report; nothing is computed again.

- `chosen`: the run to publish: `choose`, its facts and its accuracy on every test set
- `model`: the model's folder: weights and tokenizer, or the adapters alone
- `model_card`: its card
- `dataset`: the data set's folder: scored test samples and rollouts, with its card
- `markdown`: text and tables in Markdown, and templates in which all text is escaped
- `folder`: both folders at once, complete or not there
- `hub`: upload them
"""
