"""What mkdocstrings must know of this package's docstrings that it cannot read from the files."""

import importlib
import inspect
import re
import textwrap

import griffe

# Modules whose public functions are made by another function, with a docstring for each.
FACTORIES = ("keras_twist.models.xresnet", "keras_twist.models.mxresnet")


class Docstrings(griffe.Extension):
    """Gives the networks their documentation, and sections the form that griffe reads."""

    def on_instance(self, *, obj, **kwargs):
        """Every object as it is read from its file."""
        if obj.docstring:
            obj.docstring.value = readable(obj.docstring.value)

    def on_module_members(self, *, mod, **kwargs):
        """Replace assignments of networks by the functions that they are."""
        if mod.path in FACTORIES:
            module = importlib.import_module(mod.path)
            for name, member in list(mod.members.items()):
                value = getattr(module, name)
                if isinstance(member, griffe.Attribute) and inspect.isfunction(value):
                    mod.set_member(name, documented_function(name, value))

    def on_package(self, *, pkg, **kwargs):
        """Where a function has the name of its file, the package means the function."""
        for room in pkg.modules.values():
            for member in room.members.values():
                if member.is_alias and member.name in (room.exports or ()):
                    member.resolve_target()  # by way of the file, which leaves now
            for name in room.exports or ():
                file = room.members[name]
                if isinstance(file, griffe.Module):
                    room.set_member(name, griffe.Alias(name, file.members[name], parent=room))


def readable(text):
    """A docstring whose examples have griffe's title, and whose results are text.

    Of a section of results griffe would take for a type what stands before a colon.
    """
    text = re.sub(r"^Example:$", "Examples:", inspect.cleandoc(text), flags=re.M)
    return re.sub(
        r"^Returns:\n((?:    .*\n?|\n)+)",
        lambda found: f"**Returns:**\n\n{textwrap.dedent(found[1])}",
        text,
        flags=re.M,
    )


def documented_function(name, value):
    """A function for griffe, from one that is loaded."""
    parameters = [
        griffe.Parameter(
            parameter.name,
            kind=griffe.ParameterKind.positional_or_keyword,
            default=repr(parameter.default),
        )
        for parameter in inspect.signature(value).parameters.values()
    ]
    function = griffe.Function(name, parameters=griffe.Parameters(*parameters))
    function.docstring = griffe.Docstring(readable(value.__doc__), parent=function)
    return function
