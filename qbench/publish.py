"""``qbench publish``: a run's JSON to MLflow or Weights & Biases, for those who keep their experiments there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from qbench.errors import ConfigError, PublishError
from qbench.run_json import decode_record

if TYPE_CHECKING:
    import argparse

    from qbench.run_record import RunRecord, SubjectRecord

#: What both take in a name, on every file system; their lengths are those of MLflow, whose are the shorter ones.
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]")
_NAME_LENGTH, _PARAM_LENGTH, _TAG_LENGTH = 250, 6000, 5000

_FILE = "run.json"
_INSTALL = {"mlflow": "pip install mlflow-skinny", "wandb": "pip install wandb"}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What is published of one subject, in the words of both.

    Attributes
    ----------
    params
        What was measured, and where.
    metrics
        Values in the units of the record.
    tags
        What was judged.
    """

    name: str
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]


HELP = "send a run to MLflow or Weights & Biases"
DESCRIPTION = (
    "Sends what --qbench-json wrote to where experiments are kept: for each subject its parameters, "
    "metrics and verdicts, and the file itself."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("file", metavar="RUN.json", help="what --qbench-json wrote")
    parser.add_argument("--to", choices=sorted(_INSTALL), required=True, help="where to")
    parser.add_argument("--tracking-uri", metavar="URI", help="of MLflow; by default MLFLOW_TRACKING_URI")
    parser.add_argument("--experiment", metavar="NAME", help="of MLflow; by default the project's name")
    parser.add_argument("--project", metavar="NAME", help="of Weights & Biases; by default the project's name")
    parser.add_argument("--run-name", metavar="NAME", help="by default the commit, or the time of the run")


def run_command(options: argparse.Namespace) -> int:
    """Publish a run.

    Raises
    ------
    ConfigError
        If the file cannot be read, or an option is of the other service.
    RunRecordError
        If it is no record of a run.
    PublishError
        If the client is not installed, or the service refuses.
    """
    others = {"mlflow": ("project",), "wandb": ("tracking_uri", "experiment")}[options.to]
    for other in others:
        if getattr(options, other) is not None:
            flag = "--" + other.replace("_", "-")
            raise ConfigError(flag, found=f"it with --to {options.to}", expected="it with the other service alone")
    try:
        content = Path(options.file).read_bytes()
    except OSError as error:
        found = f"a path that cannot be read ({error.strerror})"
        raise ConfigError(options.file, found=found, expected="the JSON of --qbench-json") from error
    record = decode_record(content, name=options.file)
    name = options.run_name or record.commit or record.started_at
    client = _client(options.to)
    try:
        if options.to == "mlflow":
            _to_mlflow(client, record, content, name, options)
        else:
            _to_wandb(client, record, content, name, options.project)
    except Exception as error:  # What clients raise is theirs, and mostly about a network.
        why = " ".join(str(error).split()) or type(error).__name__
        raise PublishError(f"{options.to} did not take the run, or a part of it alone: {why}") from error
    return 0


def entries(record: RunRecord) -> list[Entry]:
    """What is published of each subject that was measured; names are such as both services take."""
    return [_entry(record, subject) for subject in record.subjects if subject.metrics or subject.latency]


def _entry(record: RunRecord, subject: SubjectRecord) -> Entry:
    params = {
        "model": subject.model,
        "recipe": subject.recipe,
        "artifact_sha256": subject.artifact_sha256,
        "dataset_sha256": subject.dataset_sha256,
        "commit": record.commit,
        "fingerprint": record.fingerprint_id,
        "cpu": record.fingerprint.cpu,
        "runtime": f"{record.fingerprint.runtime} {record.fingerprint.runtime_version}",
        "threads": str(record.options.threads),
        "kernels": record.options.kernels,
    }
    values = dict(subject.metrics)
    if subject.latency:
        values |= {"latency_median_ns": subject.latency.median_ns, "latency_mean_ns": subject.latency.mean_ns}
    tags = {"qbench.verdict": str(subject.verdict or "measured")}
    for verdict in record.verdicts:
        if (verdict.subject.model, verdict.subject.recipe) == (subject.model, subject.recipe):
            # The worst comes first, and stands: a metric may be judged by several tests.
            if f"qbench.verdict.{verdict.metric}" in tags:
                continue
            tags[f"qbench.verdict.{verdict.metric}"] = str(verdict.verdict)
            if not verdict.verdict.green:
                tags[f"qbench.reason.{verdict.metric}"] = verdict.sentence
            if verdict.change is not None:
                values[f"change.{verdict.metric}"] = verdict.change
    return Entry(
        name=subject.id,
        params={key: value[:_PARAM_LENGTH] for key, value in params.items()},
        metrics=_named(values),
        tags={key: value[:_TAG_LENGTH] for key, value in _named(tags).items()},
    )


def _named(values: dict[str, Any]) -> dict[str, Any]:
    """The same under names that are legal and still different."""
    named: dict[str, Any] = {}
    for name, value in values.items():
        # MLflow makes a path of a name: one of dots alone would be another folder.
        legal = _NOT_IN_A_NAME.sub("_", name)[:_NAME_LENGTH]
        legal = legal if legal.strip(".") else f"_{legal}"
        number = 2
        unique = legal
        while unique in named:
            unique = f"{legal[: _NAME_LENGTH - len(str(number)) - 1]}_{number}"
            number += 1
        named[unique] = value
    return named


def _client(to: str) -> Any:
    """The service's own module, imported where it is asked for alone."""
    try:
        return import_module(to)
    except ImportError as error:
        raise PublishError(f"--to {to} needs its client ({error}): {_INSTALL[to]}") from error


def _to_mlflow(mlflow: Any, record: RunRecord, content: bytes, name: str, options: argparse.Namespace) -> None:
    """A run that holds the file, and one nested in it for each subject, as MLflow's table folds them."""
    client = mlflow.MlflowClient(tracking_uri=options.tracking_uri)
    called = options.experiment or record.project or "qbench"
    found = client.get_experiment_by_name(called)
    experiment = found.experiment_id if found else client.create_experiment(called)
    common = {"qbench.version": record.qbench_version}
    if record.commit:
        common["mlflow.source.git.commit"] = record.commit.removesuffix("+")
    said = {"qbench.verdict": record.verdict, "qbench.headline": record.headline[:_TAG_LENGTH], **common}
    parent = client.create_run(experiment, run_name=name, tags=said).info.run_id
    try:
        client.log_text(parent, content.decode(), _FILE)
        for entry in entries(record):
            tags = {**entry.tags, **common, "mlflow.parentRunId": parent}
            child = client.create_run(experiment, run_name=entry.name, tags=tags).info.run_id
            for key, value in entry.params.items():
                client.log_param(child, key, value)
            for key, number in entry.metrics.items():
                client.log_metric(child, key, number)
            client.set_terminated(child)
    except BaseException:
        client.set_terminated(parent, status="FAILED")
        raise
    client.set_terminated(parent)


def _to_wandb(wandb: Any, record: RunRecord, content: bytes, name: str, project: str | None) -> None:
    """A run for each subject, in one group; the first has the file."""
    for number, entry in enumerate(entries(record)):
        run = wandb.init(
            project=project or record.project or "qbench",
            group=name,
            name=entry.name,
            job_type="qbench",
            config={**entry.params, **entry.tags},
            tags=[f"qbench: {entry.tags['qbench.verdict']}"],
            reinit="finish_previous",
        )
        run.log(entry.metrics)
        run.summary.update({"verdict": entry.tags["qbench.verdict"]})
        if number == 0:
            artifact = wandb.Artifact("qbench-run", type="qbench-run", metadata={"headline": record.headline})
            with artifact.new_file(_FILE, mode="wb") as stream:
                stream.write(content)
            run.log_artifact(artifact)
        run.finish()
