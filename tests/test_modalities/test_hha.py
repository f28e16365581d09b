"""HHA on scenes of planes, whose heights and angles are known."""
import numpy as np
import pytest

from fcn_plugin.modalities import hha
from fcn_plugin.modalities.hha import NYU_CAMERA, Camera, depth_to_hha, gravity, normals

CAMERA = Camera(120, 120, 80, 60)
SIZE = 120, 160


def rays():
    """(H, W, 3), points by their depth."""
    y, x = np.mgrid[:SIZE[0], :SIZE[1]]
    return np.stack([(x - CAMERA.cx) / CAMERA.fx, (y - CAMERA.cy) / CAMERA.fy,
                     np.ones(SIZE)], -1)


def scene(pitch, slope=None):
    """A floor 1.4 m below the camera, a wall 4 m ahead and, before it, a ramp 1.2 m wide.

    Args:
        pitch (float): Degrees by which the camera looks down.
        slope (float, optional): The angle of a ramp that leaves the floor 2.2 m ahead.

    Returns:
        tuple: Depth in metres; which plane is seen (0 floor, 1 wall, 2 slope); the height
        of each pixel above the floor in metres.
    """
    t = np.radians(pitch)
    down = np.array([0, np.cos(t), np.sin(t)])
    ahead = np.array([0, -np.sin(t), np.cos(t)])
    planes, lines = [(down, 1.4), (ahead, 4.)], rays()
    if slope is not None:
        s = np.radians(slope)
        normal = np.cos(s) * down + np.sin(s) * ahead
        planes.append((normal, normal @ (1.4 * down + 2.2 * ahead)))
    z = []
    for normal, distance in planes:
        along = lines @ normal
        z.append(np.where(along > 1e-6, distance / np.where(along > 1e-6, along, 1), np.inf))
        if len(z) == 3:
            z[2][np.abs(z[2] * lines[..., 0]) > 0.6] = np.inf
    seen, z = np.argmin(z, 0), np.min(z, 0)
    return z, seen, 1.4 - z * (lines @ down)


def inside(seen, plane, radius=4):
    """Pixels of a plane whose window lies on it."""
    padded = np.pad(seen, radius, mode='edge')
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1, ) * 2)
    return (windows == plane).all((2, 3))


# --- bad arguments -----------------------------------------------------------


@pytest.mark.parametrize('depth', [np.zeros((4, 5)), np.full((4, 5), np.nan),
                                   np.ones((4, 5, 1))])
def test_depth_that_is_none(depth):
    with pytest.raises(ValueError, match='in metres, above 0 throughout'):
        depth_to_hha(depth, CAMERA)


# --- planes ------------------------------------------------------------------


@pytest.mark.parametrize('pitch', [0, 10, 25])
def test_a_floor_and_a_wall(pitch):
    z, seen, height = scene(pitch)
    hha = depth_to_hha(z, CAMERA).astype(int)
    assert np.abs(hha[..., 0] - np.clip(310 / np.maximum(z, 1), 0, 255)).max() <= 0.5
    for plane, angle in ((0, 0), (1, 90)):
        where = inside(seen, plane)
        assert where.sum() > 500
        assert (np.abs(hha[..., 2][where] - 38 - angle) <= 1).all()
        assert (np.abs(hha[..., 1][where] - np.clip(100 * height[where], 0, 255)) <= 2).all()


@pytest.mark.parametrize('slope', [20, 30])
def test_a_slope_in_front_of_a_wall(slope):
    z, seen, height = scene(12, slope)
    hha = depth_to_hha(z, CAMERA).astype(int)
    where = inside(seen, 2)
    assert where.sum() > 500
    found = hha[..., 2] - 38
    t = np.radians(12)
    coarse = normals(100 * z, rays(), np.ones(SIZE, bool), 10)
    assert np.degrees(np.arccos(gravity(coarse) @ [0, np.cos(t), np.sin(t)])) < 1
    # Gravity is a compromise of all surfaces, so that angles shift a little together.
    for plane, angle in ((0, 0), (1, 90), (2, slope)):
        assert (np.abs(found[inside(seen, plane)] - angle) <= 4).all(), plane


def test_a_camera_that_leans_to_a_side_and_has_oblong_pixels():
    camera, side = CAMERA._replace(fy=60), np.radians(20)
    lines = rays() * [1, CAMERA.fy / camera.fy, 1]
    along = lines @ [np.sin(side), np.cos(side), 0]
    z = np.minimum(4, 1.4 / np.maximum(along, 1e-6))
    height = 100 * (1.4 - z * along)
    found = depth_to_hha(z, camera)[..., 1]
    assert np.abs(found - np.clip(height, 0, 255)).max() <= 6  # gravity is half a degree off


def test_gravity_comes_from_wide_windows(monkeypatch):
    z, given = scene(10)[0] + np.random.rand(*SIZE), []
    monkeypatch.setattr(hha, 'gravity', lambda found: given.append(found) or [0, 1, 0])
    depth_to_hha(z, CAMERA)
    np.testing.assert_allclose(
        given, [normals(100 * z, rays(), np.ones(SIZE, bool), 10)], atol=1e-9)


def test_a_ceiling_points_the_other_way():
    z, seen, _ = scene(0)
    turned = depth_to_hha(z[::-1], CAMERA._replace(cy=SIZE[0] - 1 - CAMERA.cy))
    assert (np.abs(turned[..., 2][inside(seen, 0)[::-1]].astype(int) - 218) <= 1).all()


def test_nothing_seen_low():
    """A wall alone: the ground is taken to be 130 cm below the camera."""
    hha = depth_to_hha(np.full(SIZE, 1.), CAMERA)
    assert hha[int(CAMERA.cy), 0].tolist() == [255, 130, 128]


def test_missing_depth_takes_no_part():
    z, seen, _ = scene(10)
    missing = np.zeros(SIZE, bool)
    missing[40:44, 50:54] = True
    filled = z.copy()
    filled[missing] = 0.4
    holes = depth_to_hha(filled, CAMERA, missing)[..., 2].astype(int)
    whole = depth_to_hha(z, CAMERA)[..., 2].astype(int)
    assert np.abs(holes - whole)[~missing].max() <= 1


def test_what_has_no_normal_has_the_angle_of_the_published_code():
    """MATLAB's min(1, max(-1, NaN)) is -1, so that it counts as a ceiling."""
    z, missing = scene(10)[0], np.zeros(SIZE, bool)
    missing[40:60, 50:70] = True
    angles = depth_to_hha(z, CAMERA, missing)[..., 2]
    assert (angles[43:57, 53:67] == 38 + 180).all()
    assert (angles[:30] != 38 + 180).all()


def test_normals_are_exact_on_planes_and_gravity_is_of_length_one():
    z, seen, _ = scene(17)
    found = normals(100 * z, rays(), np.ones(SIZE, bool), 3)
    t = np.radians(17)
    np.testing.assert_allclose(found[inside(seen, 0)], [[0, np.cos(t), np.sin(t)]] * int(
        inside(seen, 0).sum()), atol=1e-6)
    down = gravity(found)
    assert np.linalg.norm(down) == pytest.approx(1)
    assert np.degrees(np.arccos(down @ [0, np.cos(t), np.sin(t)])) < 1
    assert NYU_CAMERA.fx > 500


def test_normals_at_the_border_fit_the_pixels_that_are_there():
    """As a least-squares fit of n . ray = 1 / z over the part of the window in the image."""
    z = 100 + 50 * np.random.rand(*SIZE)
    lines, radius = rays(), 3
    found = normals(z, lines, np.ones(SIZE, bool), radius)
    for y, x in ((0, 0), (0, 80), (SIZE[0] - 1, 5), (60, SIZE[1] - 2), (60, 80)):
        part = tuple(slice(max(at - radius, 0), at + radius + 1) for at in (y, x))
        plane, *_ = np.linalg.lstsq(lines[part].reshape(-1, 3), 1 / z[part].ravel())
        expected = plane / np.linalg.norm(plane)
        expected *= np.sign(expected @ lines[y, x])
        np.testing.assert_allclose(found[y, x], expected, atol=1e-6)
    wild = normals(10 ** (4 * np.random.rand(*SIZE)), lines, np.ones(SIZE, bool), radius)
    assert ((wild * lines).sum(-1) > 0).all()  # away from the camera, however bad the fit is


def test_a_floor_is_one_where_rounding_makes_its_cosine_more_than_1(monkeypatch):
    monkeypatch.setattr(hha, 'gravity', lambda found: np.array([0, 0, 1 + 4e-16]))
    angles = depth_to_hha(np.full(SIZE, 2.), CAMERA)[..., 2]
    assert set(angles.ravel().tolist()) == {38}


def test_two_pixels_make_no_plane():
    known = np.zeros(SIZE, bool)
    known[50, 50:52] = True  # of a third one the plane would follow
    found = normals(100 + 50 * np.random.rand(*SIZE), rays(), known, 3)
    assert not found.any()


@pytest.mark.parametrize('slopes', [(-30, 20), (30, -20)])
def test_gravity_is_looked_for_until_it_is_found(slopes):
    """The camera looks down by 30 degrees. That a ramp up and one down are neither floor nor
    wall shows after several rounds."""
    t = np.radians(30)
    down, ahead = np.array([0, np.cos(t), np.sin(t)]), np.array([0, -np.sin(t), np.cos(t)])
    ramps = [np.cos(s) * down + np.sin(s) * ahead for s in np.radians(slopes)]
    found = np.repeat([down, ahead, [1, 0, 0], *ramps], [100, 60, 30, 60, 60], 0)
    np.testing.assert_allclose(gravity(found[None]), down, atol=1e-6)
