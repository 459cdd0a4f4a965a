# SPDX-License-Identifier: Apache-2.0
# Completion of tocsin(1) for fish.

# Whether the words so far, options left out, are these.
function __tocsin_at
    set -l words (commandline -opc)[2..-1]
    set -l found
    for word in $words
        string match -q -- '-*' $word; or set found $found $word
    end
    test "$found" = "$argv"
end

function __tocsin_ids
    tocsin $argv 2>/dev/null | string match -ar '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
    echo latest
end

function __tocsin_plugins
    tocsin plugin list 2>/dev/null | string match -r '^[a-z][a-z0-9_-]*'
end

complete -c tocsin -f
complete -c tocsin -l output -xa 'text json' -d 'how to print'
complete -c tocsin -l socket -r -F -d 'the socket of the agent'
complete -c tocsin -s h -l help -d 'say what this does'
complete -c tocsin -l version -d 'print the version'
complete -c tocsin -n '__tocsin_at' -a 'health approval threat alert case scan plugin call profile definitions rule edr forward network-filter isolate indicator config tap portal diagnostic version help'
complete -c tocsin -n '__tocsin_at approval' -a 'list grant deny revoke retry'
complete -c tocsin -n '__tocsin_at approval grant' -a 'es_extension network_extension network_filter full_disk_access'
complete -c tocsin -n '__tocsin_at approval deny' -a 'es_extension network_extension network_filter full_disk_access'
complete -c tocsin -n '__tocsin_at approval revoke' -a 'es_extension network_extension network_filter full_disk_access'
complete -c tocsin -n '__tocsin_at threat' -a 'list get allow quarantine'
complete -c tocsin -n '__tocsin_at threat allow' -a 'list remove latest'
complete -c tocsin -n '__tocsin_at threat quarantine' -a 'list restore remove'
complete -c tocsin -n '__tocsin_at alert' -a 'list get close reopen'
complete -c tocsin -n '__tocsin_at case' -a 'list get close reopen'
complete -c tocsin -n '__tocsin_at scan' -a 'custom cancel'
complete -c tocsin -n '__tocsin_at plugin' -a 'list info enable disable reload check'
complete -c tocsin -n '__tocsin_at profile' -a 'list check'
complete -c tocsin -n '__tocsin_at definitions' -a 'list reload check'
complete -c tocsin -n '__tocsin_at rule' -a 'test'
complete -c tocsin -n '__tocsin_at edr' -a 'selftest resume'
complete -c tocsin -n '__tocsin_at forward' -a 'status test dead'
complete -c tocsin -n '__tocsin_at network-filter' -a 'status enable disable'
complete -c tocsin -n '__tocsin_at isolate' -a 'on off status'
complete -c tocsin -n '__tocsin_at indicator' -a 'list add remove test reload'
complete -c tocsin -n '__tocsin_at config' -a 'validate set unset add remove show reload'
complete -c tocsin -n '__tocsin_at portal' -a 'login'
complete -c tocsin -n '__tocsin_at portal login' -l viewer -d 'look and change nothing'
complete -c tocsin -n '__tocsin_at portal login' -l portal -r -d 'socket'
complete -c tocsin -n '__tocsin_at diagnostic' -a 'stats'
complete -c tocsin -n '__tocsin_at tap' -a 'file.* process.* network.* dns.* kernel.* filesystem.* verdict verdict.final threat.* alert.* approval.* sensor.* isolation.* plugin.* config.* agent.* bus.* rpc.*'
complete -c tocsin -n '__tocsin_at plugin info' -a '(__tocsin_plugins)'
complete -c tocsin -n '__tocsin_at plugin enable' -a '(__tocsin_plugins)'
complete -c tocsin -n '__tocsin_at plugin disable' -a '(__tocsin_plugins)'
complete -c tocsin -n '__tocsin_at plugin reload' -a '(__tocsin_plugins)'
complete -c tocsin -n '__tocsin_at threat get' -a '(__tocsin_ids threat list)'
complete -c tocsin -n '__tocsin_at alert get' -a '(__tocsin_ids alert list)'
complete -c tocsin -n '__tocsin_at alert close' -a '(__tocsin_ids alert list)'
complete -c tocsin -n '__tocsin_at alert reopen' -a '(__tocsin_ids alert list --state closed)'
complete -c tocsin -n '__tocsin_at case get' -a '(__tocsin_ids case list)'
complete -c tocsin -n '__tocsin_at case close' -a '(__tocsin_ids case list)'
complete -c tocsin -n '__tocsin_at case reopen' -a '(__tocsin_ids case list --state closed)'
complete -c tocsin -n '__tocsin_at threat quarantine restore' -a '(__tocsin_ids threat quarantine list)'
complete -c tocsin -n '__tocsin_at threat quarantine remove' -a '(__tocsin_ids threat quarantine list)'
complete -c tocsin -n '__tocsin_at scan custom' -F
complete -c tocsin -n '__tocsin_at plugin check' -F
complete -c tocsin -n '__tocsin_at profile check' -F
complete -c tocsin -n '__tocsin_at definitions check' -F
complete -c tocsin -n '__tocsin_at config validate' -F
complete -c tocsin -n '__tocsin_at threat list' -l limit -x
complete -c tocsin -n '__tocsin_at threat list' -l since -x
complete -c tocsin -n '__tocsin_at threat list' -l severity -x
complete -c tocsin -n '__tocsin_at threat list' -l filter -x
complete -c tocsin -n '__tocsin_at alert list' -l limit -x
complete -c tocsin -n '__tocsin_at alert list' -l since -x
complete -c tocsin -n '__tocsin_at alert list' -l severity -x
complete -c tocsin -n '__tocsin_at alert list' -l rule -x
complete -c tocsin -n '__tocsin_at alert list' -l filter -x
complete -c tocsin -n '__tocsin_at alert list' -l state -xa 'open closed all'
complete -c tocsin -n '__tocsin_at alert list' -l case -x
complete -c tocsin -n '__tocsin_at alert list' -l before -x
complete -c tocsin -n '__tocsin_at alert get' -l unmasked -d 'with passwords and tokens'
complete -c tocsin -n '__tocsin_at alert close' -l note -x
complete -c tocsin -n '__tocsin_at case list' -l limit -x
complete -c tocsin -n '__tocsin_at case list' -l since -x
complete -c tocsin -n '__tocsin_at case list' -l severity -x
complete -c tocsin -n '__tocsin_at case list' -l state -xa 'open closed all'
complete -c tocsin -n '__tocsin_at case list' -l before -x
complete -c tocsin -n '__tocsin_at case list' -l filter -x
complete -c tocsin -n '__tocsin_at case close' -l note -x
complete -c tocsin -n '__tocsin_at tap' -l filter -x
complete -c tocsin -n '__tocsin_at tap' -l follow-process -x
complete -c tocsin -n '__tocsin_at tap' -l sample -x
complete -c tocsin -n '__tocsin_at tap' -l count -x
complete -c tocsin -n '__tocsin_at tap' -l duration -x
complete -c tocsin -n '__tocsin_at tap' -l max-size -x
complete -c tocsin -n '__tocsin_at tap' -l since -x
complete -c tocsin -n '__tocsin_at tap' -l until -x
complete -c tocsin -n '__tocsin_at tap' -l record -r -F
complete -c tocsin -n '__tocsin_at tap' -l read -r -F
complete -c tocsin -n '__tocsin_at config show' -l origin
complete -c tocsin -n '__tocsin_at tap' -l overwrite
complete -c tocsin -n '__tocsin_at tap' -l wide
