"""One group for all parameters that an optimiser treats alike."""
from typing import Any

from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn
from torch.optim import Optimizer


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class FewGroupsOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """As mmengine's default, with one group for all parameters of equal settings.

    Where there is a ``paramwise_cfg``, mmengine makes a group of each parameter, and an
    optimiser that updates a group at once updates one tensor at a time: FCN-4s with a pyramid
    on EfficientNet-Lite2 has 221 groups so, and three here. The weights come out the same.

    Args:
        optim_wrapper_cfg, paramwise_cfg: As in mmengine's constructor.
    """

    def add_params(self, params: list[dict[str, Any]], module: nn.Module, prefix: str = '',
                   is_dcn_module: int | float | None = None) -> None:
        """Adds a module's parameters to a list of groups.

        Args:
            params (list[dict]): The groups, added to in place.
            module (nn.Module): The module.
            prefix (str): Its name; without one it is the whole network, whose groups are
                merged. Defaults to ''.
            is_dcn_module (int or float, optional): As in mmengine's constructor.
        """
        super().add_params(params, module, prefix, is_dcn_module)
        if prefix:
            return
        few: list[tuple[dict, list]] = []
        for group in params:
            settings = {key: value for key, value in group.items() if key != 'params'}
            alike = [members for others, members in few if others == settings]
            if alike:
                alike[0].extend(group['params'])
            else:
                few.append((settings, list(group['params'])))
        params[:] = [dict(settings, params=members) for settings, members in few]
        for settings, members in few:
            sizes = [each.numel() for each in members if each.requires_grad]
            said = ', '.join(f'{key}={value}' for key, value in settings.items())
            if sizes:
                print_log(f'{len(sizes)} parameters of {sum(sizes):,} numbers learn with '
                          + (said or "the optimiser's own settings"), 'current')


def regroup(checkpoint: dict[str, Any], optimizer: Optimizer, model: nn.Module) -> None:
    """Brings a checkpoint with a group for each parameter to the groups of an optimiser.

    Version 0.2 and before wrote such. Another checkpoint is left as it is: torch says what
    does not fit.

    Args:
        checkpoint (dict): As mmengine's runner saves it; ``optimizer`` and
            ``param_schedulers`` are changed in place.
        optimizer (Optimizer): The one that goes on.
        model (nn.Module): The network, whose parameters it has.
    """
    saved = checkpoint['optimizer']
    groups, trained = saved['param_groups'], [
        parameter for parameter in model.parameters() if parameter.requires_grad]
    if len(groups) != len(trained) or len(groups) == len(optimizer.param_groups):
        return
    # mmengine made them in the order of the network's parameters.
    old_place = {parameter: place for place, parameter in enumerate(trained)}
    members = [[old_place[parameter] for parameter in group['params']]
               for group in optimizer.param_groups]
    order = [old for places in members for old in places]
    new_place = {old: new for new, old in enumerate(order)}
    state = {new_place[old]: kept for old, kept in saved['state'].items()}
    saved.update(state=state, param_groups=[
        dict(groups[places[0]], params=[new_place[old] for old in places])
        for places in members])
    for schedule in checkpoint.get('param_schedulers', []):
        for key in {'base_values', '_last_value'} & set(schedule):
            # one for each group, and mmengine's own of the rate that it logs
            values = schedule[key]
            schedule[key] = [values[places[0]] for places in members] + values[len(groups):]
