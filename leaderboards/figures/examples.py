"""Reconstructions with error maps."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from registries import RequestError

GAIN = 5
"""Of error maps, as in the pictures of a run."""
Images = Mapping[str, npt.NDArray[np.float32]]
"""``split.kind`` to an image; kinds are ``target``, ``zero-filled`` and ``network``."""


def read_examples(folder: Path) -> dict[str, Images]:
    """Example images by row name.

    Raises
    ------
    RequestError
        Naming the file that cannot be read.
    """
    found: dict[str, Images] = {}
    for path in sorted(folder.glob("*.safetensors")):
        found[path.stem.replace("__", "/")] = read_images(path)
    return found


def read_images(path: Path) -> Images:
    """Images of one trial.

    Raises
    ------
    RequestError
        If the file cannot be read.
    """
    try:
        images: Images = safetensors.numpy.load_file(path)
    except Exception as error:  # the library raises whatever it meets
        raise RequestError(f"{path}: is not a valid safetensors file ({type(error).__name__})") from None
    return images


def reconstructions(examples: Mapping[str, Images], split: str) -> Figure | None:
    """Target and zero-filled image, then each row with its error × 5 below, all in the grey scale of the target."""
    rows = {name: images for name, images in examples.items() if f"{split}.network" in images}
    if not rows:
        return None
    first = next(iter(rows.values()))
    target, zero = first[f"{split}.target"], first[f"{split}.zero-filled"]
    images = {"target": target, "zero-filled": zero} | {name: i[f"{split}.network"] for name, i in rows.items()}
    columns = min(5, len(images))
    blocks = -(-len(images) // columns)
    figure, grid = plt.subplots(
        2 * blocks, columns, figsize=(2.3 * columns, 4.9 * blocks), squeeze=False, layout="constrained"
    )
    top = float(np.quantile(target, 0.998))
    for axes in grid.flat:
        axes.set_axis_off()
    for number, (name, image) in enumerate(images.items()):
        block, column = divmod(number, columns)
        grid[2 * block, column].imshow(image, cmap="gray", vmin=0, vmax=top)
        grid[2 * block, column].set_title(name.replace("/", "/\u200b"), fontsize=9, wrap=True)
        grid[2 * block + 1, column].imshow(GAIN * np.abs(image - target), cmap="gray", vmin=0, vmax=top)
    figure.suptitle(f"{split}; below each: error × {GAIN}", fontsize=9)
    return figure
