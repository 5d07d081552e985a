"""Makes a bundle folder out of a model: find, plan, apply (plugin_src/BUNDLE.md has the layout).

A bundle is written under a temporary name beside the final one and renamed when everything in it is
on disk; whatever fails before leaves nothing behind.
"""

import ctypes
import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from hps_trt import surgery, tables
from hps_trt.config import BundleConfig, ModelEntry, RowType, TableEntry
from hps_trt.errors import HpsError, UserError
from hps_trt.progress import Progress, silent

if TYPE_CHECKING:
    import onnx

CONFIG_FILE = "hps.json"
MODEL_FILE = "model.onnx"
PLAN_FILE = "plan.json"
TABLES_FOLDER = "tables"
SPLIT_FOLDER = "split"

_RENAME_NOREPLACE = 1


@dataclass(frozen=True)
class Options:
    """How a bundle is written."""

    model_name: str | None = None  # None: made from the model file's name
    split: bool = False
    memory: Literal["mapped", "copied", "huge"] = "mapped"
    unknown: Literal["default", "error"] = "default"


@dataclass(frozen=True)
class TableReport:
    """One table of a bundle."""

    name: str
    rows: int
    dim: int
    type: str
    bytes: int  # of all its files


@dataclass(frozen=True)
class Report:
    """What was written, or with `dry_run` what would be."""

    bundle: Path
    model_name: str
    bundle_id: str | None  # None when nothing was written: it hashes the rows
    tables: tuple[TableReport, ...]
    files: tuple[str, ...] = field(default=())  # relative to `bundle`, without the tables'

    @property
    def table_bytes(self) -> int:
        """Bytes of all tables."""
        return sum(table.bytes for table in self.tables)

    def to_dict(self) -> dict[str, Any]:
        """The report for machines."""
        return {
            "bundle": str(self.bundle),
            "model_name": self.model_name,
            "bundle_id": self.bundle_id,
            "table_bytes": self.table_bytes,
            "tables": [vars(table) for table in self.tables],
            "files": list(self.files),
        }


def convert(
    source: Path,
    output: Path,
    options: Options = Options(),
    *,
    min_rows: int = 0,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Report:
    """Finds the lookups of the model `source`, plans, and writes the bundle `output`.

    Args:
        source: an ONNX file.
        output: the bundle's folder; must not exist.
        options: how the bundle is written.
        min_rows: tables with fewer rows stay in the graph.
        dry_run: write nothing.
        progress: told the bytes of tables written.

    Raises:
        UserError: no lookup was found (the line says why), or `output` exists.
        hps_trt.surgery.SurgeryError: the model cannot be read.
        OSError: a file cannot be written.
    """
    check_output(output)
    model = surgery.load(source)
    findings = surgery.find(model)
    plan = surgery.make_plan(findings, min_rows=min_rows)
    sources = surgery.table_sources(model, plan)
    if not sources:
        raise UserError(f"{source}: {nothing_found(findings, min_rows)}")
    return _write(_Job(source, output, model, plan, sources, options), dry_run, progress)


def apply(
    source: Path,
    plan_file: Path,
    output: Path,
    options: Options = Options(),
    *,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Report:
    """Writes the bundle `output` from the model `source` as `plan_file` says; see `convert`."""
    check_output(output)
    plan = surgery.Plan.load(plan_file)
    model = surgery.load(source)
    sources = surgery.table_sources(model, plan)
    if not sources:
        raise UserError(f"{plan_file}: the plan replaces no lookup, so there is no bundle to write")
    return _write(_Job(source, output, model, plan, sources, options), dry_run, progress)


def nothing_found(findings: "surgery.Findings", min_rows: int) -> str:
    """Says in one line why there is nothing to convert."""
    if findings.lookups:
        largest = max(lookup.rows for lookup in findings.lookups)
        return (
            f"{len(findings.lookups)} lookups were found, but no table has {min_rows} rows or more "
            f"(the largest has {largest}); lower --min-rows"
        )
    if not findings.refused:
        return "no embedding lookup was found: no node reads rows of a table by computed ids"
    shown = "; ".join(f"{refusal.node}: {refusal.reason}" for refusal in findings.refused[:3])
    more = len(findings.refused) - 3
    rest = f"; and {more} more ('hps-trt inspect' lists them)" if more > 0 else ""
    return f"no lookup can be replaced: {shown}{rest}"


def check_output(output: Path) -> None:
    """Raises UserError unless `output` can be made: it must not exist, its parent must."""
    if os.path.lexists(output):
        raise UserError(f"{output} exists already; choose another name or remove it first")
    parent = output.absolute().parent
    if not parent.is_dir():
        raise UserError(f"{parent} is no folder; make it first")
    try:
        os.path.realpath(output.absolute()).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(
            f"{output}: the path is not UTF-8, and the graph could not name it; choose another one"
        ) from error


def model_name(source: Path, wanted: str | None) -> str:
    """The model's name in the configuration: `wanted`, or the file's name made valid."""
    if wanted is None:
        return re.sub(r"[^a-zA-Z0-9_-]+", "_", source.stem)[:120].strip("_") or "model"
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,120}", wanted):
        raise UserError(f"model name '{wanted}' is not 1 to 120 of the characters a-z A-Z 0-9 _ -")
    return wanted


@dataclass(frozen=True)
class _Job:
    """Everything that writing one bundle needs."""

    source: Path
    output: Path
    model: "surgery.Model"
    plan: "surgery.Plan"
    sources: "Mapping[str, surgery.TableSource]"
    options: Options

    @property
    def final(self) -> Path:
        """The absolute path of the bundle, symbolic links resolved."""
        return Path(os.path.realpath(self.output.absolute().parent)) / self.output.name


def _write(job: _Job, dry_run: bool, progress: Progress) -> Report:
    name = model_name(job.source, job.options.model_name)
    for source in job.sources.values():
        source.check()
    if dry_run:
        # The rewriting is done for its checks: a plan that cannot be applied fails here as well.
        _rewrite(job, name, "0" * 32)
        return _report(job, name, None)
    _check_space(job)
    with _folder_beside(job.final) as folder:
        config = _write_tables(job, name, folder, progress)
        rewritten = _rewrite(job, name, config.bundle_id)
        source_dir = job.source.absolute().parent
        surgery.save(rewritten, folder / MODEL_FILE, source_dir=source_dir)
        if job.options.split:
            _write_split(rewritten, folder / SPLIT_FOLDER, source_dir)
        config.save(folder / CONFIG_FILE)
        job.plan.save(folder / PLAN_FILE)
        _sync_tree(folder)
    return _report(job, name, config.bundle_id)


def _rewrite(job: _Job, name: str, bundle_id: str) -> "onnx.ModelProto":
    config_file = str(job.final / CONFIG_FILE)
    binding = surgery.Binding(config_file=config_file, bundle_id=bundle_id, model_name=name)
    return surgery.apply(job.model, job.plan, binding)


def _write_tables(job: _Job, name: str, folder: Path, progress: Progress) -> BundleConfig:
    total = sum(tables.table_bytes(source) for source in job.sources.values())
    done = 0

    def advanced(count: int) -> None:
        nonlocal done
        done += count
        progress("writing tables", done, total)

    (folder / TABLES_FOLDER).mkdir(mode=0o755)
    entries = []
    for table, source in job.sources.items():
        path = f"{TABLES_FOLDER}/{table}"
        written = tables.write_table(source, folder / path, advanced)
        entries.append(
            TableEntry(
                name=table,
                path=path,
                rows=source.rows,
                dim=source.dim,
                type=cast("RowType", source.dtype),
                keys="dense",
                unknown=job.options.unknown,
                memory=job.options.memory,
                emb_vector=written.emb_vector,
                key=written.key,
            )
        )
    tables.sync_folder(folder / TABLES_FOLDER)
    return BundleConfig(models=(ModelEntry(name=name, tables=tuple(entries)),))


def _write_split(rewritten: "onnx.ModelProto", folder: Path, source_dir: Path) -> None:
    parts = surgery.split(rewritten)
    folder.mkdir(mode=0o755)
    for part in ("before", "lookups", "dense"):
        surgery.save(getattr(parts, part), folder / f"{part}.onnx", source_dir=source_dir)


def _report(job: _Job, name: str, bundle_id: str | None) -> Report:
    files = [MODEL_FILE, CONFIG_FILE, PLAN_FILE]
    if job.options.split:
        files += [f"{SPLIT_FOLDER}/{part}.onnx" for part in ("before", "lookups", "dense")]
    return Report(
        bundle=job.final,
        model_name=name,
        bundle_id=bundle_id,
        tables=tuple(
            TableReport(table, source.rows, source.dim, source.dtype, tables.table_bytes(source))
            for table, source in job.sources.items()
        ),
        files=tuple(files),
    )


def _check_space(job: _Job) -> None:
    """Fails at once where the disk would be full at the end of a long conversion."""
    needed = sum(tables.table_bytes(source) for source in job.sources.values())
    free = shutil.disk_usage(job.final.parent).free
    if needed > free:
        raise UserError(
            f"{job.final.parent}: the tables need {needed} bytes and {free} are free; "
            "make room or choose another disk"
        )


@contextmanager
def _folder_beside(final: Path) -> Iterator[Path]:
    """A new folder that becomes `final` when the context ends well, and vanishes when it does not.

    Its name starts with a dot and ends with random digits, so that a folder left by a killed
    process is never taken for a bundle, nor met by another conversion.
    """
    folder = final.parent / f".{final.name[:200]}.tmp-{secrets.token_hex(8)}"
    folder.mkdir(mode=0o755)
    try:
        yield folder
        _rename_new(folder, final)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    tables.sync_folder(final.parent)


def _rename_new(folder: Path, final: Path) -> None:
    """Renames without replacing: rename(2) alone would swallow an empty folder made meanwhile."""
    rename: Callable[..., int] | None = getattr(
        ctypes.CDLL(None, use_errno=True), "renameat2", None
    )
    if rename is not None:
        here = ctypes.c_int(-100)  # AT_FDCWD
        flags = ctypes.c_uint(_RENAME_NOREPLACE)
        if rename(here, os.fsencode(folder), here, os.fsencode(final), flags) == 0:
            return
        code = ctypes.get_errno()
        if code == errno.EEXIST:
            raise UserError(f"{final} exists already: something made it during the conversion")
        if code not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(code, os.strerror(code), str(folder), None, str(final))
    check_output(final)
    folder.rename(final)


def _sync_tree(folder: Path) -> None:
    """Fsyncs small files and folders; tables were synced as they were written."""
    for path in [folder, *sorted(folder.rglob("*"))]:
        if TABLES_FOLDER in path.relative_to(folder).parts:
            continue
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_manifest(bundle: Path) -> dict[str, Any]:
    """The parsed hps.json of `bundle`, unchecked (C++ checks it at opening).

    Raises:
        UserError: `bundle` is no bundle.
    """
    path = bundle / CONFIG_FILE
    if not path.is_file() or not (bundle / MODEL_FILE).is_file():
        raise UserError(
            f"{bundle} is no bundle: {CONFIG_FILE} or {MODEL_FILE} is missing; "
            "make one with 'hps-trt convert'"
        )
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON: {error}") from error
    if not isinstance(manifest, dict):
        raise HpsError(f"{path}: not a JSON object")
    return manifest
