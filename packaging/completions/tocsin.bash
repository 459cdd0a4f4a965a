# SPDX-License-Identifier: Apache-2.0
# Completion of tocsin(1) for bash. Words of a group stand behind the group's own words.

_tocsin_words() {
    case "$1" in
    '') echo 'health approval threat alert case scan plugin profile definitions rule edr forward network-filter isolate indicator config call tap portal diagnostic version help' ;;
    approval) echo 'list grant deny revoke retry' ;;
    'approval grant' | 'approval deny' | 'approval revoke')
        echo 'es_extension network_extension network_filter full_disk_access'
        ;;
    threat) echo 'list get allow quarantine' ;;
    'threat allow') echo 'list remove latest' ;;
    'threat quarantine') echo 'list restore remove' ;;
    alert) echo 'list get close reopen' ;;
    case) echo 'list get close reopen' ;;
    scan) echo 'custom cancel' ;;
    plugin) echo 'list info enable disable reload check' ;;
    profile) echo 'list check' ;;
    definitions) echo 'list reload check' ;;
    rule) echo 'test' ;;
    edr) echo 'selftest resume' ;;
    forward) echo 'status test dead' ;;
    network-filter) echo 'status enable disable' ;;
    isolate) echo 'on off status' ;;
    indicator) echo 'list add remove test reload' ;;
    config) echo 'validate set unset add remove show reload' ;;
    portal) echo 'login' ;;
    diagnostic) echo 'stats' ;;
    tap) echo 'file.* process.* network.* dns.* kernel.* filesystem.* verdict verdict.* threat.* alert.* approval.* sensor.* network_filter.* isolation.* quarantine.* plugin.* config.* agent.* bus.* rpc.*' ;;
    esac
}

_tocsin_options() {
    echo '--output --socket --help --version'
    case "$1" in
    health) echo '--field --details' ;;
    'threat list') echo '--limit --since --severity --filter' ;;
    'alert list') echo '--limit --since --severity --rule --state --case --before --filter' ;;
    'case list') echo '--limit --since --severity --state --before --filter' ;;
    'alert get') echo '--unmasked' ;;
    'alert close' | 'case close') echo '--note' ;;
    'threat quarantine restore') echo '--to --overwrite' ;;
    'threat quarantine remove') echo '--user' ;;
    'scan custom') echo '--path' ;;
    'definitions check') echo '--product' ;;
    'rule test') echo '--rules --events' ;;
    'edr selftest') echo '--wait' ;;
    'portal login') echo '--viewer --portal' ;;
    'network-filter enable' | 'network-filter disable') echo '--reason' ;;
    'isolate on') echo '--allow --for --reason' ;;
    'isolate off') echo '--reason --local --state' ;;
    'indicator list') echo '--action --kind --limit' ;;
    'indicator add') echo '--action --expires --reason' ;;
    'config show') echo '--origin' ;;
    tap) echo '--filter --follow-process --sample --count --duration --record --overwrite --max-size --read --since --until --wide' ;;
    esac
}

# The names of the plugins, where an agent answers.
_tocsin_plugins() {
    tocsin plugin list 2>/dev/null | awk 'NR > 1 { print $1 }'
}

# The ids that the command is about, as the agent lists them.
_tocsin_ids() {
    local id='[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
    case "$1" in
    'threat quarantine'*) tocsin threat quarantine list ;;
    threat*) tocsin threat list ;;
    alert*) tocsin alert list ;;
    case*) tocsin case list ;;
    esac 2>/dev/null | grep -oE "$id"
}

_tocsin() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i word
    local path='' skip=0

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((skip)); then
            skip=0
            continue
        fi
        case "$word" in
        --output | --socket | --field | --details | --limit | --to | --path | --filter | \
            --count | --record | --rules | --events | --wait | --product | \
            --reason | --allow | --for | --state | --action | --kind | --expires | --follow-process | \
            --sample | --duration | --max-size | --read | --since | --until | --severity | --rule) skip=1 ;;
        -* | help) ;;
        *) path+="${path:+ }$word" ;;
        esac
    done
    set -f
    case "$prev" in
    --output) COMPREPLY=($(compgen -W 'text json' -- "$cur")) ;;
    --details) COMPREPLY=($(compgen -W 'system_extensions plugins' -- "$cur")) ;;
    --product) COMPREPLY=($(compgen -W 'linux macos' -- "$cur")) ;;
    --action) COMPREPLY=($(compgen -W 'block allow audit' -- "$cur")) ;;
    --severity) COMPREPLY=($(compgen -W 'low medium high critical' -- "$cur")) ;;
    --kind) COMPREPLY=($(compgen -W 'address network domain host' -- "$cur")) ;;
    --state) COMPREPLY=($(compgen -W 'open closed all' -- "$cur") $(compgen -f -- "$cur")) ;;
    --socket | --to | --path | --record | --read | --rules | --events) COMPREPLY=($(compgen -f -- "$cur")) ;;
    --field | --limit | --filter | --count | --wait | --reason | --allow | --for | --expires | --follow-process | \
        --sample | --duration | --max-size | --since | --until | --rule | --note | --case | --before) ;;
    *)
        if [[ $cur == -* ]]; then
            COMPREPLY=($(compgen -W "$(_tocsin_options "$path")" -- "$cur"))
        elif [[ $path == 'plugin '@(info|enable|disable|reload) ]]; then
            COMPREPLY=($(compgen -W "$(_tocsin_plugins)" -- "$cur"))
        elif [[ $path == 'threat get' || $path == 'alert '@(get|close|reopen) || $path == 'case '@(get|close|reopen) || $path == 'threat quarantine '@(restore|remove) ]]; then
            COMPREPLY=($(compgen -W "latest $(_tocsin_ids "$path")" -- "$cur"))
        elif [[ $path == 'scan custom' ]]; then
            COMPREPLY=($(compgen -f -- "$cur"))
        elif [[ $path == call ]]; then
            compopt -o nospace 2>/dev/null
            COMPREPLY=($(compgen -S . -W "$(_tocsin_plugins)" -- "$cur"))
        elif [[ $path == 'plugin check' || $path == 'definitions check'* || $path == 'profile check'* || $path == 'config validate' ]]; then
            COMPREPLY=($(compgen -f -- "$cur"))
        else
            COMPREPLY=($(compgen -W "$(_tocsin_words "$path")" -- "$cur"))
        fi
        ;;
    esac
    set +f
}

complete -o filenames -F _tocsin tocsin
