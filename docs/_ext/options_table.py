"""The directive `options-table`: every option of the plugin, from the table that pytest gets them from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from pytest_stateless.options import OPTIONS, Option

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HOW_IN_THE_INI_FILE = {"bool": "`true` or `false`", "list": "a list", "string": "one value"}


def command_line(option: Option) -> str:
    """The option as it is typed, with what follows it."""
    if option.type == "bool":
        return option.flag
    value = "|".join(option.choices) or option.metavar or option.ini.removeprefix("stateless_").upper()
    return f"{option.flag} {value}"


def meaning(option: Option) -> str:
    """The help text, with the default where it says something."""
    return f"{option.help} Default: `{option.default}`." if option.default else option.help


class OptionsTable(SphinxDirective):
    """One entry an option, which other pages can link to by its ini name."""

    def run(self) -> list[nodes.Node]:
        """A definition list."""
        found = nodes.definition_list()
        for option in OPTIONS:
            found += self.entry(option)
        return [found]

    def entry(self, option: Option) -> nodes.definition_list_item:
        """The option's spelling on the command line, and below it the ini file and the meaning."""
        term = nodes.term(
            "", "", nodes.literal(text=command_line(option)), ids=[option.ini.replace("_", "-")]
        )
        ini = f"In an ini file: `{option.ini}`, {HOW_IN_THE_INI_FILE[option.type]}."
        repeat = " Repeatable." if option.type == "list" else ""
        body = self.parse_text_to_nodes(f"{meaning(option)}{repeat}\n\n{ini}")
        return nodes.definition_list_item("", term, nodes.definition("", *body))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("options-table", OptionsTable)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
