# The paper's stages (section 4.2) as changes to a run of FCN-8s on VGG16 with narrow conv6 and
# conv7: 8s at once, and 32s, 16s from it, 8s from that.
_head = 'model.decode_head'
changes = {
    'at_once': {},
    '32s': {
        f'{_head}.in_channels': (512, ),
        f'{_head}.in_index': (2, ),
        f'{_head}.in_strides': (32, ),
        f'{_head}.skip_scales': (1, ),
    },
    '16s': {
        f'{_head}.in_channels': (512, 512),
        f'{_head}.in_index': (1, 2),
        f'{_head}.in_strides': (16, 32),
        f'{_head}.skip_scales': (0.1, 1),
    },
    '8s': {},  # as at once, but from the 16s
}
after = {'16s': '32s', '8s': '16s'}
