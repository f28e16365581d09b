"""The scope ``fcn_plugin``: another name for mmseg's.

``_base_ = 'fcn_plugin::fcn/<name>.py'`` in a config makes mmengine mark what it
inherits with ``_scope_='fcn_plugin'`` and look that scope up here. Our types are
in mmseg's registries; these children of them hold nothing and pass every
look-up on.
"""
from mmengine.registry import Registry
from mmseg import registry as mmseg_registry

for _parent in list(vars(mmseg_registry).values()):
    if isinstance(_parent, Registry):
        Registry(_parent.name, parent=_parent, scope='fcn_plugin',
                 locations=['fcn_plugin', *_parent._locations])
