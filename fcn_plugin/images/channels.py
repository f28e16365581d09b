"""The order of an image's channels."""


def turned(count: int) -> list[int]:
    """Places of ``count`` channels with the first three turned round: RGB to BGR and back.

    Images of more than three channels are held as those of three: in pipelines as mmcv reads
    them, blue, green, red and then the others; in files and elsewhere red first. With
    less than three there is nothing to turn.
    """
    return [2, 1, 0, *range(3, count)] if count > 2 else list(range(count))
