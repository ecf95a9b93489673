"""Which folders of a data root a track reads."""

from dataclasses import replace

from bench.tracks.track import find_track
from bench.trials.data import open_data
from tests.datasets.volumes import write_volume


def test_a_track_of_knees_does_not_read_the_brains(tmp_path):
    for name in ("knee/multicoil_train/a", "knee/multicoil_val/b", "brain/multicoil_val/c"):
        write_volume(tmp_path / f"{name}.h5", attributes={"patient_id": name})
    spoiled = tmp_path / "brain" / "multicoil_train" / "d.h5"
    spoiled.parent.mkdir()
    spoiled.write_text("not a volume")
    toy = find_track("toy")
    knees = replace(toy, evaluation=replace(toy.evaluation, splits=("knee",)))
    opened = {track: open_data(track, str(tmp_path), None).manifest.folders for track in (knees, toy)}
    assert opened[knees] == {"knee/multicoil_train", "knee/multicoil_val"}
    assert opened[toy] == {"knee/multicoil_train", "knee/multicoil_val", "brain/multicoil_val"}
