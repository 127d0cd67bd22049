/** Two dots or more as a step of a path; also `..;/`, `.%00./` and the like, decoded. */
const STEPS =
  /(?:^|[/\\\s"'=:;,(&?>|])\.{2,90}[;.\s]{0,3}[/\\]|[/\\]\.\.(?:[/\\;]|$)|\.\.[\\/]{1,9}\.\.|\.[\\/]{1,3}\.[\\/]|(?:\.[\\/]{1,3}\.\.|\.\.[\\/]\.)[\\/]|\.;\.\\?;|\\\.\.|\.{2}0x|\.\.(?:%|_)|\.\.\/\{/;
const UNIX =
  /(?:^|[^a-z0-9])\/{1,3}\.?\/?(?:(?:etc|proc|sys|root|boot|dev|opt)(?=[/\\%\0])|var\/(?:log|www|adm|mail|spool|run|lib|cache|apache|mysql|htmp|local|named|tmp|cpanel|lock|backups|db|webmail|yp|nis|x|lighttpd|nginx|cron)|usr\/(?:local|lib|share|etc|bin|sbin|pkg|home|adm|ports|internet|apache|home2|spool)|home\d?\/[^/\s]{1,40}\/\.?|users\/[^/\s]{1,40}\/|tmp\/[a-z]|apache\d?|logs?\/[a-z_.]{2,20}|nginx|www\/|htdocs|private\/etc|volumes\/|xampp|php\d?[\\/]|library\/webserver|web\/conf|srv\/|mnt\/|run\/secrets|bin\/(?:[bckz]a?sh|sh|cat|ls|id|ping))(?:[/\\%\s\0]|[a-z._-]{0,40}$|$)/;
const ETC_BARE =
  /(?:^|[^a-z0-9])etc[/\\](?:passwd|shadow|group|hosts?|issue|motd|fstab|crontab|sudoers|ssh|mysql|apache|httpd|nginx|php)|[/\\]proc[/\\](?:self|interrupts|cpuinfo|meminfo|version|mounts|net|\d{1,7})(?:[/\\]|$)/;
const WINDOWS =
  /\b[a-z]:[\\/]{1,3}(?:windows|winnt|boot|inetpub|program ?files|progra~|apache|xampp|wamp|php|mysql|system32|users|documents|home|temp|unattend|nginx|[a-z0-9]{2,20}\.(?:ini|sys|log|txt|xml|conf))|%?(?:systemroot|windir|programfiles)%?[\\/]|[\\/](?:windows|winnt|system32|inetpub)[\\/]|[\\/]{2}[a-z0-9._-]{1,60}[\\/][a-z]\$/;
const FILES =
  /(?:^|[/\\\s=>;"'|.])\.(?:ht(?:access|passwd|group)|bash(?:rc|_history|_profile|_logout)?|profile|cshrc|tcshrc|zshrc|zsh_history|history|sh_history|mysql_history|psql_history|viminfo|ssh|gnupg|aws|azure|kube|docker(?:env|cfg|ignore)?|git(?:ignore|config|-credentials|modules)?|svn|hg|npmrc|pypirc|netrc|env(?:\.[a-z]{1,20})?|pgpass|my\.cnf|rhosts|shosts|forward|pass|passwd|config|cargo|gem|local|vscode|idea|ds_store|terraform|continue|claude|aider|cursor|codex|gemini|copilot|windsurf|a0proj|[a-z0-9-]{2,20}\/(?:settings|secrets?|config|credentials)\.[a-z]{2,5})(?:[/\\\s;"'&]|\.[a-z0-9]{1,10}|$)|\b(?:win|boot|php|system|desktop|my|odbc|config|metabase)\.(?:ini|xml|cnf)\b|\bweb\.(?:config|xml)\b|\bwp-config\b|\bphpinfo\b|\bid_[rd]sa\b|\bauthorized_keys\b|(?:^|[/\\])(?:passwd|shadow|access[._]log|error[._]log|httpd\.conf|php\.ini|web-inf|meta-inf)\b|\/server-status\b|\.(?:php|asp|aspx|jsp|cgi)(?:$|[\0\s%])/;
const WRAPPERS =
  /\b(?:php|file|expect|phar|zip|zlib|glob|data|ogg|rar|compress\.zlib|jar|netdoc|gopher|dict|ldaps?|jndi):\/\//;
/** Encoded dots and slashes, which need no encoding. */
const CODED =
  /%(?:25)?2e(?:%|\.|\/|\\|$)|\.(?:%(?:25)?2e|0x2e)|\.\.%(?:25)?(?:2f|5c|c0|c1|u)|%c0%(?:ae|2e|af|2f|5c|9v)|%c1%(?:9c|af|1c|8s|pc)|%u(?:2215|2216|efc8|f025|ff0e)|0x(?:2e|5c|2f)0x|\.\.0x|%%3[25]|%uff0e|\.\.[25][fc]/;

const RULES = [STEPS, UNIX, ETC_BARE, WINDOWS, FILES, WRAPPERS, CODED];
const WORTH_READING = /[/\\]|\.[a-z.]|%[2cu%]|0x/;

/** Whether a value in lower case reads like a path out of its folder, or to a system file. */
export function looksLikeTraversal(text: string): boolean {
  return WORTH_READING.test(text) && RULES.some((rule) => rule.test(text));
}
