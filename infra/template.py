"""Read `resources.yaml`, the one declaration of what a stage keeps and what watches it."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

RESOURCES = Path(__file__).with_name("resources.yaml")


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags: `!Sub x` is read as `{"Fn::Sub": "x"}`."""


def _intrinsic(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    name = tag if tag == "Ref" else f"Fn::{tag}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if tag == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    if isinstance(node, yaml.MappingNode):
        return {name: loader.construct_mapping(node, deep=True)}
    raise yaml.constructor.ConstructorError(problem=f"!{tag} of neither a text, a list nor a map")


_Loader.add_multi_constructor("!", _intrinsic)


@cache
def template() -> dict[str, Any]:
    """The whole template, intrinsic functions spelt out as CloudFormation's JSON does. Not to be changed."""
    parsed: dict[str, Any] = _Loader(RESOURCES.read_text()).get_single_data()
    return parsed


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Logical id to declaration of every resource of one type, such as `AWS::DynamoDB::Table`."""
    declared: dict[str, dict[str, Any]] = template()["Resources"]
    return {name: body for name, body in declared.items() if body["Type"] == kind}


def plain_name(value: str | dict[str, str], stage: str) -> str:
    """A name of the template with the stage filled in: `!Sub tributary-${Stage}-orders` -> `tributary-dev-orders`."""
    text = value if isinstance(value, str) else value["Fn::Sub"]
    return text.replace("${Stage}", stage)
