#!/bin/sh
# Is everything here that building needs? Names each missing tool with the way to get it, before anything starts.
# Prints the Python to use. Exit status: 0 all is here, 1 something is missing.
#
# The build compiles OpenSSL (hence cc, perl and make) and two Rust crates (hence cargo), and makes a virtual environment (hence venv).

missing=0

missed() {
    echo "missing: $1" >&2
    echo "    $2" >&2
    missing=1
}

# The way to get a package, in the words of this machine's package manager.
package() {
    debian=$1 fedora=$2 macos=$3
    if command -v apt-get >/dev/null 2>&1; then
        echo "sudo apt-get install $debian"
    elif command -v dnf >/dev/null 2>&1; then
        echo "sudo dnf install $fedora"
    elif [ "$(uname -s)" = Darwin ]; then
        echo "$macos"
    else
        echo "install it with your package manager"
    fi
}

# Some names on the path only lead to a message (version managers), so each candidate is asked, not just looked for.
python=""
for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    missed "python3, version 3.11 or newer" "$(package python3 python3 'brew install python3'), or see https://www.python.org/downloads/"
elif ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    missed "the venv module of $python" "$(package python3-venv python3 'brew install python3')"
fi

command -v cc >/dev/null 2>&1 ||
    missed "cc, a C compiler" "$(package build-essential gcc 'xcode-select --install')"
perl -e 1 >/dev/null 2>&1 ||
    missed "perl" "$(package perl perl 'brew install perl')"
# OpenSSL's configuration asks for modules that some distributions package apart.
if perl -e 1 >/dev/null 2>&1; then
    for module in FindBin IPC::Cmd File::Compare Time::Piece; do
        perl -M"$module" -e 1 >/dev/null 2>&1 ||
            missed "the perl module $module" "$(package perl "'perl($module)'" 'brew install perl')"
    done
fi
command -v make >/dev/null 2>&1 ||
    missed "make" "$(package build-essential make 'xcode-select --install')"

rust="curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh   (see https://rustup.rs)"
version=$(cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
if [ -z "$version" ]; then
    missed "cargo, the Rust tool chain" "$rust"
elif [ "${version% *}" -eq 1 ] && [ "${version#* }" -lt 85 ]; then
    missed "cargo 1.85 or newer (this one is $(echo "$version" | tr ' ' .))" "rustup update, or $rust"
fi

[ "$missing" -eq 0 ] || exit 1
echo "$python"
