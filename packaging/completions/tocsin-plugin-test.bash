# SPDX-License-Identifier: Apache-2.0
# Completion of tocsin-plugin-test(1) for bash.

_tocsin_plugin_test() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}

    case "$prev" in
    --output) COMPREPLY=($(compgen -W 'text json' -- "$cur")) ;;
    --option | --options | --expect-alert | --expect-deny | --wait | --linger) COMPREPLY=() ;;
    *)
        if [[ $cur == -* ]]; then
            COMPREPLY=($(compgen -W '--option --options --expect --expect-alert --expect-deny --files --passive --wait
                --linger --state --output --help --version' -- "$cur"))
        else
            COMPREPLY=($(compgen -f -- "$cur"))
        fi
        ;;
    esac
}

complete -o filenames -F _tocsin_plugin_test tocsin-plugin-test
