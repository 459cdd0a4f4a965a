// SPDX-License-Identifier: Apache-2.0
// Owns: the names of ATT&CK techniques, by id; https://attack.mitre.org has what each means.
const names = {
  "T1003": "OS credential dumping", "T1003.007": "Credentials from /proc", "T1003.008": "Credentials from /etc/passwd and /etc/shadow",
  "T1014": "Rootkit", "T1016": "Network configuration discovery", "T1018": "Remote system discovery",
  "T1021.004": "Remote services: SSH", "T1027": "Obfuscated files or information", "T1027.010": "Command obfuscation",
  "T1033": "User discovery", "T1036": "Masquerading", "T1036.005": "Masquerading: a known name or place",
  "T1036.009": "Masquerading: broken process tree", "T1040": "Network sniffing", "T1046": "Network service discovery",
  "T1048": "Exfiltration over another protocol", "T1048.003": "Exfiltration over an unencrypted protocol",
  "T1049": "Network connections discovery", "T1053": "Scheduled task", "T1053.003": "Scheduled task: cron",
  "T1053.006": "Scheduled task: systemd timer", "T1055": "Process injection", "T1055.008": "Process injection: ptrace",
  "T1055.009": "Process injection: /proc memory", "T1057": "Process discovery", "T1059": "Command and scripting interpreter",
  "T1059.004": "Unix shell", "T1059.006": "Python", "T1068": "Exploitation for privilege escalation",
  "T1070": "Indicator removal", "T1070.002": "Clearing of system logs", "T1070.003": "Clearing of the command history",
  "T1070.004": "File deletion", "T1070.006": "Timestomping", "T1071": "Application layer protocol", "T1071.001": "Web protocols",
  "T1071.004": "DNS", "T1078": "Valid accounts", "T1082": "System information discovery", "T1083": "File and directory discovery",
  "T1087": "Account discovery", "T1087.001": "Local account discovery", "T1090": "Proxy", "T1095": "Non-application layer protocol",
  "T1098": "Account manipulation", "T1098.004": "SSH authorized keys", "T1105": "Ingress tool transfer",
  "T1110": "Brute force", "T1132": "Data encoding", "T1133": "External remote services", "T1136": "Create account",
  "T1136.001": "Create a local account", "T1140": "Deobfuscation", "T1190": "Exploitation of a public-facing application",
  "T1204": "User execution", "T1222": "Permissions modification", "T1485": "Data destruction", "T1486": "Data encrypted for impact",
  "T1489": "Service stop", "T1490": "Inhibiting of recovery", "T1496": "Resource hijacking", "T1496.001": "Compute hijacking",
  "T1505.003": "Web shell", "T1518": "Software discovery", "T1529": "System shutdown", "T1543": "Create or modify a system process",
  "T1543.002": "systemd service", "T1546": "Event triggered execution", "T1546.004": "Shell configuration", "T1547": "Autostart execution",
  "T1547.006": "Kernel modules", "T1548": "Abuse of an elevation mechanism", "T1548.001": "Setuid and setgid", "T1548.003": "sudo",
  "T1552": "Unsecured credentials", "T1552.001": "Credentials in files", "T1552.004": "Private keys", "T1553": "Subverting of trust",
  "T1556": "Modification of authentication", "T1556.003": "Pluggable authentication modules", "T1560": "Archiving of collected data",
  "T1562": "Impairing of defenses", "T1562.001": "Defenses switched off", "T1562.003": "Command history impaired",
  "T1562.004": "Firewall switched off", "T1562.006": "Indicator blocking", "T1562.012": "Audit switched off",
  "T1564": "Hidden artifacts", "T1564.001": "Hidden files", "T1567": "Exfiltration over a web service", "T1571": "Non-standard port",
  "T1572": "Protocol tunnelling", "T1573": "Encrypted channel", "T1574": "Hijacked execution flow", "T1574.006": "Dynamic linker hijacking",
  "T1595": "Active scanning", "T1609": "Container administration command", "T1610": "Deploy container",
  "T1611": "Escape to the host", "T1613": "Container discovery", "T1620": "Reflective code loading",
};

// [{id, name}] of "T1562.001, T1562.004".
export const techniques = (list) =>
  (list ?? "").split(",").map((s) => s.trim()).filter(Boolean).map((id) =>
    ({ id, name: names[id] ?? names[id.split(".")[0]] ?? "" }));
