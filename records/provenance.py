"""Where a record comes from."""

from records.fields import Part, Role, about, sequence


class Entry(Part):
    """Whose code ran."""

    name: str = about("of an architecture, pruner or stage")
    version: int = about("raised whenever its output changes")
    origin: str = about(
        "`built-in`; the SHA-256 of a plug-in file with what it imports outside of site-packages; or "
        "`distribution==version`, with that of its sources if installed in editable mode"
    )


class Numerics(Part):
    """How numbers were computed."""

    device: str = about("kind of device: `cpu` or `cuda`")
    dtype: str = about("outside the CNNs", default="float32")
    tf32: bool = about("whether products are rounded to TF32", default=False)
    gpu: str | None = about("model, on `cuda`", role=Role.NOTE, default=None)
    cuda: str | None = about("version that torch was built with, on `cuda`", role=Role.NOTE, default=None)
    cudnn: str | None = about("version, on `cuda`", role=Role.NOTE, default=None)
    threads: int | None = about("of the computation", role=Role.NOTE, default=None)
    torch: str | None = about("version", role=Role.NOTE, default=None)
    capability: str | None = about(
        "vector instructions of the processor, or name of the GPU: others round otherwise", role=Role.NOTE, default=None
    )


class Amount(Part):
    """Size of a set of data."""

    volumes: int = about("files")
    patients: int = about("they are of")


class Data(Part):
    """What was trained and tested on; a trial that was skipped opened none."""

    kind: str | None = about("`simulated` or `real`", default=None)
    identity: str | None = about("hash of what was simulated, or of the files' content", default=None)
    training: Amount | None = about("training patients", role=Role.NOTE, default=None)
    validation: Amount | None = about("validation patients", role=Role.NOTE, default=None)
    test: dict[str, Amount] = about("test patients by split", role=Role.NOTE, default={})
    unavailable: dict[str, str] = about("splits and shifts that there are not, and why", role=Role.NOTE, default={})


class Provenance(Part):
    """Code, versions, machine, data."""

    git: str | None = about("commit", role=Role.NOTE)
    dirty: bool | None = about("whether the suite's sources were edited since", role=Role.NOTE)
    sources: str | None = about("SHA-256 of the suite's sources", role=Role.NOTE, default=None)
    date: str | None = about("of the record, UTC", role=Role.NOTE)
    versions: dict[str, str] = about("of this suite, Python and libraries", role=Role.NOTE)
    device: str = about("name of processor or GPU", role=Role.NOTE)
    numerics: Numerics = about("how numbers were computed")
    data: Data = about("what was trained and tested on")
    seeds: dict[str, int] = about("that were set", role=Role.NOTE)
    entries: tuple[Entry, ...] = sequence("whose code ran: architecture, pruner, stages", role=Role.ROW)
