"""distilabel, as `orchestration.py` compares it; a module of its own, since its processes have to find its classes.

python benchmarks/orchestration_distilabel.py distilabel --url http://127.0.0.1:8000/v1 --rows rows.jsonl --out FOLDER
"""

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import ChatGeneration
from orchestration_peers import COLUMNS, MAX_TOKENS, MODEL, asked, main

BATCH = 48
"""Of each of the three steps, which are under way at once. With 32 and 64 it was slower, with 96 less was cached."""


class Turn(ChatGeneration):
    """Asks the next question of a row."""

    @property
    def inputs(self):
        return ["prompt", "critique_request", "revision_request"]

    def format_input(self, input):
        return asked(input)[0]


def distilabel(rows, *, url, out):
    """A pipeline of three tasks, each of which sends a batch at once."""

    def turn(column):
        llm = OpenAILLM(
            model=MODEL,
            base_url=url,
            api_key="none",
            generation_kwargs={"max_new_tokens": MAX_TOKENS, "temperature": 1.0},
        )
        return Turn(name=column, llm=llm, input_batch_size=BATCH, output_mappings={"generation": column})

    with Pipeline("critique-and-revise", cache_dir=out / "cache") as pipeline:
        response, critique, revision = map(turn, COLUMNS)
        LoadDataFromDicts(data=rows, batch_size=BATCH) >> response >> critique >> revision
    pipeline.run(use_cache=False)


if __name__ == "__main__":
    main({"distilabel": distilabel})
