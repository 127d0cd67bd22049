/** Programs whose names mean nothing else. After a character of the shell they are a command. */
export const COMMANDS = words(`
  whoami ifconfig ipconfig netstat wget uname hostname nslookup traceroute tracert tcpdump nmap netcat ncat socat telnet
  chmod chown chgrp useradd adduser userdel usermod groupadd passwd visudo zsh tcsh pwsh powershell busybox
  crontab systemctl journalctl iptables printenv nohup strace ltrace xargs grep egrep fgrep zgrep rsync 
  sftp tftp lwp-download lwp-request gzip gunzip bzip2 bunzip2 unxz zcat xzcat cpio mknod mkfifo mkdir rmdir
  lsof lsmod lsblk lspci lsusb dmesg emacs ansible ansible-config ansible-pull ansible-vault ansible-playbook
  ansible-galaxy ansible-console ansible-inventory chef-shell chef-run chef-client chef-vault chef-solo cscli kubectl
  podman apt-get dpkg htop pip3 openssl base64 xxd hexdump psql sqlite3 mysqldump insmod modprobe
  sshpass ssh-keygen tmux setsid stdbuf taskset cpulimit chroot nsenter unshare tclsh jrunscript readelf ldconfig
  bcdboot bcdedit certutil bitsadmin regsvr32 rundll32 mshta wmic cscript wscript msiexec schtasks tasklist taskkill
  systeminfo vssadmin wevtutil icacls takeown findstr robocopy xcopy msbuild installutil cmstp fodhelper odbcconf nltest
  dsquery esentutl cmd.exe powershell.exe python3 python2 7z
`);

/** Programs whose names are also words, people's names or abbreviations: the context decides. */
export const EVERYDAY = words(`
  bash ksh csh tac rev mtr xz irb gcc c89 c99 scp awk gawk mawk aptitude base32 pwd rvim
  alias ar arp as at cat cc cd chef cmd comm cp curl cut dash date dd df diff dig dir docker du echo ed env eval ex exec
  expr find fish ftp gdb git go head host id install ip java join kill ksh last less ll ln locate ls lua lynx mail make
  man more mount mv mysql nano nc nice node npm od paste perf perl php ping pip printf ps puppet python reboot rm rmt
  route ruby rsh screen sed set sh shutdown sleep sort source split ssh su sudo tail tar tee test time timeout top touch
  tr type uptime vi vim w watch wc who wish yum zip unzip
`);

/** Of those, what is a command at a value's start, before a path, an address, an option. */
const NAMES =
  "cat perl ruby node lua java time tail tee top find ping kill id sed sort pip date ls ll ps rm cp mv dd df du su vi ln tar";
/** No person's names: a short option is enough. Others are too near to text (`Cat -scan`). */
export const PROGRAMS = words(`
  bash sh zsh ksh csh tcsh busybox python python2 python3 php ssh curl wget nc ncat netcat env perf grep xargs sudo vim git
  docker npm alias uname printf gcc c89 c99 scp awk gawk nohup strace puppet mysql psql chmod chown telnet
`);
export const WITH_ARGUMENT = `(?:${PROGRAMS}|${words(NAMES)})`;

/** Whole values or first words that are nothing but a command. */
export const ALONE = words(`
  whoami ifconfig ipconfig visudo netstat printenv systeminfo ansible ansible-config ansible-pull ansible-vault
  ansible-playbook ansible-galaxy chef-shell chef-run chef-client chef-vault chef-solo cscli cpulimit lwp-download
  busybox bcdboot certutil bitsadmin regsvr32 rundll32 mshta
`);

/** What runs another command. */
export const RUNNERS = words("nohup strace ltrace time env sudo xargs exec timeout nice watch setsid stdbuf");

function words(list: string): string {
  const escaped = list
    .trim()
    .split(/\s+/)
    .map((word) => word.replaceAll(".", "\\."));
  return `(?:${[...new Set(escaped)].sort((a, b) => b.length - a.length).join("|")})`;
}
