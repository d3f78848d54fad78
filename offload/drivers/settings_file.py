"""Writes the user's own settings file. The only importer of tomlkit."""

import os

import tomlkit

from offload.domain.errors import UsageError
from offload.drivers import settings
from offload.drivers.folders.files import atomic_write, explained
from offload.drivers.setting_kinds import checked, parsed


def put(key: str, text: str) -> settings.Setting:
    """Set what is typed as `text` in the user's own file, whose comments stay.

    Raises:
        UsageError: it is of the wrong type, or the file cannot be read or written.
    """
    kind, file = settings.KEYS[key], settings.user_file()
    value = checked(parsed(text, kind), kind, settings.typed_as(key))
    table = settings.table(file, data := settings.content(file))
    document = tomlkit.parse(data.decode())
    spelled = next(
        (name for name in table if name.replace("-", "_") == key), settings.typed_as(key)
    )
    document[spelled] = value
    with explained(f"The settings file {file} cannot be written", "", UsageError):
        os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
        with atomic_write(os.path.realpath(file), mode=0o600) as stream:  # it may hold a token
            stream.write(tomlkit.dumps(document))
    return settings.Setting(value, file)
