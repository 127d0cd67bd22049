import { ALONE, COMMANDS, EVERYDAY, PROGRAMS, RUNNERS, WITH_ARGUMENT } from "./command-words.ts";

/** Most values have nothing that a shell would take for more than words, and end here. */
const WORTH_READING =
  /[;|&`$<>{}\\\n\r*?[=%"]|''|'[a-z]{1,4}'|\(\)|[\s'][-./~]|^\(|[a-z]-(?:web|rest|expr|comm|item|child|proc|serv|wmi|cim|obj|sched|bits|pss|mod|cont|str|host|outp|hist|cred|exec|event|local|netf|adu|secure)/;
const FIRST_WORD = new RegExp(`^["']?(?:if|for|cd|bin|${ALONE}|${RUNNERS}|${WITH_ARGUMENT})\\b`);

const END = "(?![a-z0-9_=@.-])";
/** Where a shell expects a command: after a sign that ends, joins or opens one. */
const OPENS = "(?:[;|&`\\n\\r]|\\$\\(|[<>]\\()[\\s\"'({@\\\\]{0,6}";
const FOLDER = "(?:/?(?:usr/)?(?:local/)?s?bin/)?";
/** What follows commands and no words: options, paths, addresses, redirections, variables. */
const OPTION = "(?:-(?!ve\\b)[a-z]{1,3}(?![a-z])|-(?:exec|name|wrapper)\\b|-\\d{1,2}\\b)";
const LONG_PATH = "(?:[.~]{1,2}/|/[a-z0-9._*?-]{1,60}(?:/|\\.[a-z]))";
const PATH = `(?:${LONG_PATH}|/[a-z0-9._*?-]{1,60}(?:$|[\\s;|&]))`;
const ADDRESS =
  "(?:https?://|\\d{1,3}(?:\\.\\d{1,3}){3}|[a-z0-9-]{1,40}\\.(?:com|net|org|io|example|ru|cn)(?![a-z@]))";
const LONG_ARGUMENT = `\\s{1,9}(?:--[a-z]{2}|${LONG_PATH}|${ADDRESS}|>{1,2}\\s?(?:[/&]|[a-z0-9_]{1,40}\\.[a-z])|\\$[a-z({])`;
const ARGUMENT = `(?:${LONG_ARGUMENT}|\\s{1,9}(?:${OPTION}|${PATH}))`;

const RUNS = [
  new RegExp(`${OPENS}${FOLDER}${COMMANDS}${END}`),
  new RegExp(`${OPENS}${FOLDER}${EVERYDAY}${ARGUMENT}`),
  new RegExp(`(?:\`|\\$\\(|[<>]\\(|\\|\\|\\s|&&|<<<)[\\s"'(]{0,4}${EVERYDAY}${END}`),
  /(?:(?:^|[\s`'")])\|\s{0,3}|\|\s{1,3})(?:(?:ba|k|c)?sh|tr|tee|nc|rev|tac|php|perl|python)(?:$|\s)/,
  new RegExp(`^["']?[;|&]["']?\\s?[;|&]?${EVERYDAY}(?:$|[\\s;|&"'])`),
  new RegExp(`^["']?${PROGRAMS}\\s{1,9}${OPTION}`),
  new RegExp(`^["']?${WITH_ARGUMENT}${LONG_ARGUMENT}`),
  new RegExp(`^["']?${ALONE}["']?(?:$|\\s|[;|&])`),
  new RegExp(`^["']?${RUNNERS}(?:\\s|;\\s?)${COMMANDS}${END}`),
  new RegExp(`^["']?${RUNNERS}\\s(?:ba|z|k|c)?sh\\s-`),
  new RegExp(`^/?(?:usr/)?(?:local/)?s?bin/(?:${COMMANDS}|${EVERYDAY})${END}`),
  /^find\s[^\n]{1,80}\s-(?:exec|name|perm|type)\b/,
  /^cd [/~.]|;\s?cd (?:[/~.]|etc\b|tmp\b|var\b)/,
];
const SHELL = [
  // functions, Shellshock, the fork bomb
  /\(\)\s{0,5}\{/,
  // what a shell puts in place: `$(…`, `$((…`, `${IFS}`, `${PATH#…`, `<<<`, `>(tee log)`
  /\$\((?:[a-z(`$\s]|\))|\$\{(?:ifs|path|shell|home|pwd|oldpwd|user|hostname|bash\w{0,20})\b|\$\{\w{0,30}(?:[#%]|@[a-z]\})|<<<|<\(\)|[<>]\((?:tee|cat|sh)\b|\$ifs\b|\$shell\b/,
  /(?:[;|]|&&)\s{0,3}\$\{?[a-z_]|^\$\{?[a-z_]{2,20}\}? -/,
  // streams: `sh -i >& /dev/tcp/…`, `0>&1`
  /\/dev\/(?:tcp|udp)\/|\d>&\s?[-\d]|>&\s?\/dev/,
  // `{id,}`, `{,$"whoami",}`, `{l,-lh}s`
  /\{[a-z]{0,20},[$"'a-z-]{0,40}[,}]/,
  /(?:^|[;|&])\s{0,3}net\s{1,3}(?:user|localgroup|group|view|share|use|start)\b/,
  /\balias\s{1,9}['"]?[a-z-]{1,20}['"]?=/,
  // a path with jokers: `/???/b??h`, `/bin/ca?`, `/e[t]c`, `/etc/pas[s]wd`
  /\/[a-z]{0,10}\?[a-z?]{0,10}\/[a-z?]|\/bin\/[a-z?*]{1,10}[?*]|\/et[*?]|(?:^|[\s=])\/(?:[a-z]{1,10}\/){0,4}[a-z]{0,10}\[[^\]]{1,20}\][a-z/]/,
  // SQLite's shell
  /[;\n](?:\s|\\n){0,3}\.[\\"']{0,2}(?:databases|tables|shell|schema|dump|read|import|load|output|system)\b/,
  // what PHP, Perl and Python call to run a command
  /\b(?:system|shell_exec|passthru|popen|proc_open|pcntl_exec|exec)\s?\(\s?['"$]/,
];
const WINDOWS = [
  /(?:^|[|&;"'(]\s{0,3})for\s{1,9}(?:\/[dlrf]\s{1,9}){0,3}(?:"[^"]{0,80}"\s{1,9}|\\"[^"]{0,80}"\s{1,9})?%{1,2}[^\s]{1,20}\s{1,9}in\s{0,9}\(/,
  /^for\s{1,9}\/[dlrf]\s/,
  /^if\s{1,20}(?:\/i\s{1,20})?(?:not\s{1,20})?(?:exist|errorlevel|defined)\s/,
  /^if\s[^\n]{0,80}[\s)](?:equ|neq|lss|leq|gtr|geq)\s/,
  /^if\s[^=\n]{1,60}==/,
  /\b(?:invoke|get|set|new|start|stop|add|remove|import|export|out|write|read|convertto|convertfrom|enter|register|test|clear|copy|move|rename)-(?:webrequest|restmethod|expression|command|item(?:property)?|childitem|process|service|wmi(?:object|method)|cim(?:instance|method)|object|scheduledtask|bitstransfer|pssession|module|content|string|host|output|history|credential|executionpolicy|eventlog|localuser|netfirewallrule|aduser|securestring)\b/,
  /%(?:comspec|appdata|temp|userprofile|public)%|\bcmd(?:\.exe)?\s{1,3}\/[ckq]\b/,
];
const RULES = [...RUNS, ...SHELL, ...WINDOWS];

/** What a shell skips inside of a word: `py''thon`, `c$@at`, `pi<()ng`, `'c'url`, `w\ho`. */
const HIDES =
  /[a-z](?:''|""|``|\$[@*?!$#-]|\$\(\)|\$[a-z]{1,3}(?=\s)|<\(\))|(?:''|""|``)[a-z]|['"][a-z]{1,6}['"][a-z]|[a-z]['"][a-z]{1,6}['"]|(?:^|[;|&\s])["'][a-z]{1,12}["'](?=\s)|\\[a-z]|\[[a-z]\]/;
const HIDDEN =
  /''|""|``|\$\(\)|<\(\)|\$[@*?!$#-]|\$[a-z]{1,3}(?=\s)|\\(?=[a-z])|(?<=[a-z;|&\s]|^)(['"])([a-z]{1,12})\1|\[([a-z])\]/g;
/** Characters within a word that only a shell ignores. */
const IN_WORD =
  /[a-z](?:''|""|``|\$[@*?!$#-]|\$\(\)|<\(\))[a-z]|(?:^|[;|&\s])(['"])[a-z]{1,6}\1[a-z]|[a-z](['"])[a-z]{1,6}\2(?![a-z])|^\\[a-z]/;
const UNHIDDEN = [
  new RegExp(`(?:^|[;|&]\\s{0,3})${FOLDER}${COMMANDS}${END}`),
  new RegExp(`(?:^|[;|&]\\s{0,3})${FOLDER}${EVERYDAY}${ARGUMENT}`),
];
const UNHIDDEN_WORD = new RegExp(`(?:^|[;|&]\\s{0,3})${FOLDER}${EVERYDAY}(?:$|\\s)`);

/** Whether a form of a value (lower case) reads like a command that a shell would run. */
export function looksLikeCommand(text: string): boolean {
  if (!WORTH_READING.test(text) && !FIRST_WORD.test(text)) return false;
  if (RULES.some((rule) => rule.test(text))) return true;
  if (!HIDES.test(text)) return false;
  const shown = text.replace(HIDDEN, (_whole, _quote, word, letter) => word ?? letter ?? "");
  if (shown === text) return false;
  return UNHIDDEN.some((rule) => rule.test(shown)) || (IN_WORD.test(text) && UNHIDDEN_WORD.test(shown));
}
