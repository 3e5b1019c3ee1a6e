"""The audit of each setting, made of the runs that are finished."""

from __future__ import annotations

from typing import Any

from prunescope.audit import Audit, Sources, audit
from prunescope.data.backdoors import TRIGGER
from prunescope.files import leftovers, new_folder, remove_leftovers
from prunescope.study.plan import Setting, StudyConfig
from prunescope.study.running.store import Store, read_json, write_json
from prunescope.study.sweep import ShowProgress

MADE_OF = "made_of.json"
"""Which runs an audit rests on, and its settings: another set makes it anew."""


def audit_setting(
    store: Store, study: StudyConfig, setting: Setting, show: ShowProgress
) -> Audit | None:
    """Audit what is finished of a setting, unless that was done; None where nothing compares.

    Compressed models whose dense model is not finished are left out.
    """
    dense = [run for run in setting.dense if store.finished(run)]
    seeds = {run.seed for run in dense}
    compressed = [run for run in setting.compressed if store.finished(run) and run.seed in seeds]
    if not dense or not compressed:
        return None
    choices: dict[str, Any] = study.audit.model_dump()
    split = choices.pop("split")
    if setting.backdoor is not None:
        choices["trigger"] = TRIGGER
    made_of = {"runs": [run.key for run in (*dense, *compressed)], "split": split, **choices}
    folder = store.audit(setting)
    with store.lock(f"audit-{setting.name}", wait=True):
        if (folder / MADE_OF).exists() and read_json(folder / MADE_OF) == made_of:
            return Audit.load(folder)
        with show(f"audit {setting.name}") as update:
            answers = [
                [store.predictions(run, split) for run in runs] for runs in (dense, compressed)
            ]
            found = audit(*answers, progress=update, **choices)
        files = {
            model.name: str(store.answers(run, split))
            for run, model in zip((*dense, *compressed), (*answers[0], *answers[1]), strict=True)
        }
        found = found.read_from(folder, Sources(files=files))
        remove_leftovers([folder, *leftovers(folder.parent, folder.name)])
        with new_folder(folder) as part:
            found.save(part)
            write_json(part / MADE_OF, made_of)
    return found
