/*
 * A small set of Linux rules, each for something that has no honest reason to be in a
 * file of that form. Breadth is the business of the rule sets that operators add.
 */

rule Linux_Script_Reverse_Shell
{
    meta:
        id = "tocsin-linux-reverse-shell"
        threat_name = "Linux.ReverseShell"
        severity = "critical"
        description = "a script that hands an interactive shell to a remote host"
        reference = "https://attack.mitre.org/techniques/T1059/004/"
    strings:
        $tcp = /\n[ \t]*(exec )?(\/bin\/)?(ba|z|k)?sh -i[ \t]+[>&0-9 ]{1,6}[ \t]*\/dev\/(tcp|udp)\/[^ \n]{4,80}[ \t]+0>&1/
    condition:
        filesize < 64KB and uint16(0) == 0x2123 and $tcp
}

rule Linux_Preload_Rootkit
{
    meta:
        id = "tocsin-linux-preload-rootkit"
        threat_name = "Linux.Rootkit.Preload"
        severity = "critical"
        description = "a shared object that hides files and logins by replacing libc"
        reference = "https://attack.mitre.org/techniques/T1574/006/"
    strings:
        $preload = "/etc/ld.so.preload"
        $pam = "pam_authenticate"
        $dir = "readdir64"
        $proc = "/proc/net/tcp"
        $log = "utmp"
    condition:
        uint32(0) == 0x464C457F and uint16(16) == 3 and filesize < 2MB and all of them
}

rule Linux_Coin_Miner
{
    meta:
        id = "tocsin-linux-coin-miner"
        threat_name = "Linux.CoinMiner"
        severity = "high"
        description = "a program that mines cryptocurrency for a pool"
        reference = "https://attack.mitre.org/techniques/T1496/"
    strings:
        $pool = "stratum+tcp://"
        $level = "donate-level"
        $algorithm1 = "cryptonight"
        $algorithm2 = "randomx"
        $huge = "huge-pages"
    condition:
        uint32(0) == 0x464C457F and $pool and $level and $huge and
        any of ($algorithm*)
}

rule Linux_Mirai
{
    meta:
        id = "tocsin-linux-mirai"
        threat_name = "Linux.Botnet.Mirai"
        severity = "critical"
        description = "a bot that spreads by telnet with factory passwords"
        reference = "https://attack.mitre.org/software/S1202/"
    strings:
        $probe = /\/bin\/busybox [A-Z]{4,8}\x00/
        $answer = /[A-Z]{4,8}: applet not found\x00/
        $enable = "enable\x00"
        $system = "system\x00"
        $shell = "shell\x00"
    condition:
        uint32(0) == 0x464C457F and filesize < 1MB and all of them
}

rule PHP_Web_Shell
{
    meta:
        id = "tocsin-php-web-shell"
        threat_name = "PHP.WebShell"
        severity = "high"
        description = "a page that runs whatever its visitor sends"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
    strings:
        $run = /^<\?php\s+@?(eval|assert|system|passthru|shell_exec)\s*\(\s*(base64_decode\s*\(\s*)?\$_(POST|GET|REQUEST|COOKIE)\s*\[/
    condition:
        filesize < 4KB and $run at 0
}
