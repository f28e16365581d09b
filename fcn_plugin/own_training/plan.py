"""How own data are trained on, by what is measured of them."""
from math import ceil

from ..own_data.config_text import Plan, plan_of
from ..own_data.inspect_pairs import Checked
from .facts import Facts

#: FCN-4s, for regions that are too small for FCN-8s.
FINER = 'fcn-4s_efficientnet-lite0_1xb8-20k_camvid-360x480'
#: The stride of FCN-8s' finest score map, in pixels. Regions should be two cells wide.
STRIDE, CELLS = 8, 2
#: Images are brought to the first; where regions are small, to at most the second.
LONGEST, LONGEST_OF_SMALL = 1024, 2048
#: Classes are weighed where one has less of the pixels of those images that have it. Of
#: CamVid (0.6 to 1.4 %) weights found more; of VOC, whose objects are large, less.
RARE = 0.02
#: Images a step. A CPU takes as much longer for more; larger batches were not tried.
MOST_IMAGES = dict(cpu=4)
MOST_IMAGES_OF_GPU = 8
#: Passes over the images, and how often crops see a pixel at least: the runs of configs/fcn
#: with few hundred images have 45 to 85 and 20 to 40.
PASSES, LOOKS = 60, 20
FEWEST_STEPS, MOST_STEPS = 400, 20000
#: Half of a run: the rate falls, and figures often stand still before it has fallen. FCN-8s on
#: VGG16 gains nothing in the second quarter of its CamVid run, and eight points in the third.
VALIDATIONS, PATIENCE = 20, 10


def narrowest(facts: Facts) -> float:
    """The width of the class with the narrowest regions, without the background.

    Returns:
        float: A part of the image's longer side; 1 where no class occurs.
    """
    return min((each.width for each in facts.classes
                if each.width and each.name.lower() != 'background'), default=1.)


def wanted_side(facts: Facts) -> int:
    """The longer side, in pixels, at which each class's regions are wide enough for FCN-8s."""
    return ceil(round(CELLS * STRIDE / narrowest(facts), 6))  # 16 / (16 / 1500) may be more


def longest_side(facts: Facts) -> int:
    """What larger images are brought to, in pixels, so that regions can be seen."""
    return min(max(LONGEST, wanted_side(facts)), LONGEST_OF_SMALL)


def is_small(facts: Facts, scale: int) -> bool:
    """Whether some class's regions are too small for FCN-8s at a longer side of ``scale``."""
    return scale < wanted_side(facts)


def first_plan(checked: Checked, facts: Facts) -> Plan:
    """All but the batch, and what follows from that.

    Args:
        checked (Checked): From :func:`~fcn_plugin.own_data.check_dataset.check_dataset`.
        facts (Facts): From :func:`~fcn_plugin.own_training.facts.facts_of`.
    """
    rare = any(each.images and each.beside < RARE for each in facts.classes)
    return plan_of(checked, longest_side(facts))._replace(
        validations=VALIDATIONS, patience=PATIENCE, class_weights=rare)


def most_images(images: int, device: str) -> int:
    """The largest batch that is tried, at least 2.

    Args:
        images (int): Of training.
        device (str): 'cpu', 'cuda:0', ...
    """
    return max(2, min(images, MOST_IMAGES.get(device, MOST_IMAGES_OF_GPU)))


def with_batch(plan: Plan, images: int, batch: int) -> Plan:
    """The plan at a batch: steps by the number of images, and by how small a part of them a
    crop is.

    Args:
        plan (Plan): From :func:`first_plan`.
        images (int): Of training.
        batch (int): Images a step.
    """
    (long, short), (high, wide) = plan.scale, plan.crop_size
    passes = max(PASSES, LOOKS * long * short / (high * wide))
    steps = min(MOST_STEPS, max(FEWEST_STEPS, int(passes * images / batch)))
    return plan._replace(batch_size=batch, max_iters=steps)
