"""The labels of a model on a server beside those of the same model here: how far are they apart?

    vllm serve src/solon/sandbox/model --served-model-name sandbox --dtype float32
    python experiments/server_labels.py RUN openai:http://localhost:8000/v1#sandbox

RUN has an `01-critique`; each first response that was changed is compared with its last revision, in both orders.
Printed is how far labels are apart at most and in the mean, and how often they prefer different responses.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from solon import sandbox
from solon.constitution import load as constitutions
from solon.models import load as models
from solon.models.drivers import drive
from solon.runs import read_rows
from solon.stages.label import LabelConfig, label
from solon.stages.pairs import PairsConfig, with_revision


class Forgotten:
    """A journal of nothing."""

    def recall(self, row, turn, request):
        return None

    def keep(self, batch):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("server")
    parser.add_argument("--local", default=str(sandbox.model_path()))
    given = parser.parse_args()

    rows = [row for row in read_rows(given.run / "01-critique") if row["drop_reason"] is None and row["steps"]]
    changed = [row for row in rows if row["response"] != row["steps"][-1]["revision"]]
    pairs = [with_revision(row, config=PairsConfig()) for row in changed]
    constitution = constitutions.load(given.run / "constitution.yaml")
    found = []
    for name in (given.local, given.server):
        model = models.load(models.parse(name))
        config = replace(LabelConfig(), form=model.form)
        chains = [(pair["id"], label(pair, constitutions=[constitution], config=config)) for pair in pairs]
        found.append(drive(chains, model, journal=Forgotten()))
    here, there = ({id: row["probability"] for id, row in rows.items() if row["probability"]} for rows in found)
    both = here.keys() & there.keys()
    apart = [abs(here[id] - there[id]) for id in both]
    print(f"pairs {len(pairs)}, labelled here {len(here)}, there {len(there)}")
    print(f"apart at most {max(apart):.2g}, in the mean {fmean(apart):.2g}")
    print(f"prefer different responses: {sum((here[id] > 0.5) != (there[id] > 0.5) for id in both)}")


if __name__ == "__main__":
    main()
