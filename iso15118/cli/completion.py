"""``iso15118 completion``: what makes bash, zsh or fish complete commands, options and their values."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from iso15118.cli.options import choices
from iso15118.cli.show import print_json
from iso15118.cli.terminal import echo_lines
from iso15118.settings import choose

__all__ = ["SCRIPTS", "app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)

SCRIPTS: Final = {
    "bash": """\
_iso15118_completion() {
    local IFS=$'\\n'
    COMPREPLY=( $( env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD _ISO15118_COMPLETE=complete_bash "$1" ) )
    return 0
}
complete -o default -F _iso15118_completion iso15118
""",
    "zsh": """\
#compdef iso15118
_iso15118_completion() {
    eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _ISO15118_COMPLETE=complete_zsh "${words[1]}")
}
if [[ "${funcstack[1]}" = "_iso15118" ]]; then
    _iso15118_completion "$@"
else
    compdef _iso15118_completion iso15118
fi
""",
    "fish": """\
complete --command iso15118 --no-files --arguments \\
    "(env _ISO15118_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args _TYPER_COMPLETE_ARGS=(commandline -cp) iso15118)" \\
    --condition "env _ISO15118_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=is-args \\
_TYPER_COMPLETE_ARGS=(commandline -cp) iso15118"
""",
}
"""Shell -> its script; where nothing is known a file's name is completed."""


@app.command()
def completion(
    shell: Annotated[
        str, typer.Argument(help="bash, zsh or fish.", autocompletion=choices("bash", "zsh", "fish"))
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the completion script of a shell; for bash and zsh: eval "$(iso15118 completion bash)"."""
    script = SCRIPTS[choose("SHELL", shell, SCRIPTS)]
    if as_json:
        print_json({"shell": shell, "script": script})
    else:
        echo_lines(script)
