/**
 * Names by which vulnerability scanners and attack tools announce themselves; one that hides its
 * name is not found by it. Libraries (curl, python-requests) are no scanners: clinics write
 * scripts.
 */
const NAMES = `
  absinthe, aboundex, acunetix, amass, appscan, appspider, aquatone, arachni, arjun, autopwn, bbot, betabot,
  bewica-security-scan, bfac, bsqlbf, burpcollaborator, burp suite, burpsuite, cariddi, censysinspect, cgichk, changeme/,
  cloudflair, cmseek, cmsmap, commix, corsy, crackmapexec, crawlergo, crlfuzz, dalfox, darkjumper, davtest, detectify,
  dirb/, dirbuster, dirhunt, dirsearch, dnsrecon, domino hunter, dotdotpwn, drheader, drupwn, eyewitness, f-secure radar,
  feroxbuster, ffuf, fimap, finalrecon, fuzz faster, getwebthingspy, ghauri, gitdumper, gitleaks, gobuster, golismero, goohak,
  gowitness, grabber, graphql-cop, graphw00f, hakrawler, havij, hetty, hexometer, hexstrike, httprint, httpx - open-source, hydra),
  inql, inspath, interactsh, internetmeasurement, intruder.io, invicti, ironwasp, jaeles, jbrofuzz, jexboss, joomlavs, jorgee,
  jsql, jwt_tool, kadimus, katana/, kiterunner, kube-hunter, l9explore, l9tcpid, lfimap, lfisuite, libwhisker, linkfinder,
  magereport, meg/, metasploit, morfeus, mozilla/5.g, mozlila, muieblackcat, n-stalker, n-stealth, naabu, nessus, netlab360,
  netsparker, nettacker, nexpose, nikto, nmap, noseyparker, nosqlmap, nsauditor, nuclei, openvas, osmedeus, outpost24, owasp zap,
  owtf, padbuster, pangolin, panoptic, paramspider, paros, pentest, probely, prog.customcrawler, pwn, qualys, rapid7, reconftw,
  recon-ng, rustbuster, s3scanner, safe3, scanbot.sh, secretfinder, securityagent, shodan, sitadel, sitelockspider, skipfish,
  slowhttptest, smuggler, sn1per, snallygaster, spiderfoot, sqliv, sqlmap, sqlninja, sqlsus, ssrfmap, sstimap, stackhawk,
  struts-pwn, subfinder, sublist3r, tenable, testssl, tinja, tplmap, trufflehog, uniscan, v3n0m, vega/, vulners, w3af, wafninja,
  wafpass, wafw00f, wapiti, waybackurls, webbandit, webinspect, websecurify, webscarab, webshag, wfuzz, whatwaf, whatweb,
  whitewidow, wordpresscan, wpforce, wphunter, wpprobe, wprecon, wpseku, wpsploit, xattacker, xspear, xsser, xsscon, xsstrike,
  yawast, yeswehack, zaproxy, zgrab, zmap, zmeu, zoomeye
`
  .split(",")
  .map((name) => name.trim().replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&"));

/**
 * What new tools are called as well: `joomscan`, `vulnerability scanner`, `sqlfuzz`, `lfi-hunter`.
 * Programs that scan paper and barcodes are none.
 */
const PATTERNS = [
  `(?<![a-z0-9])(?:${NAMES.join("|")})`,
  "(?<!barcode|cam|card|code|content|doc|genius|i|id|pdf|photo|qr|text)(?<=[a-z0-9])scan(?:ner)?(?![a-z])",
  "(?:attack|network|port|security|site|tls|vuln(?:erability)?|web(?:site)?)[ _-]?scan",
  "(?<![a-z])(?:cms|cors|crlf|dir|dns|graphql|jwt|lfi|rfi|sqli?|ssrf|ssti|subdomain|waf|wp|xss|xxe)[_-]?(?:brut|bust|check|fuzz|hunt|inject|map|probe|recon|sploit|strik)",
  "vulnerabilit|exploit|brute-?forc|fuzz(?:er|ing)",
];
const SCANNER = new RegExp(PATTERNS.join("|"));

/** `vega` alone is a name and a star; as the whole agent it is the scanner. */
const WHOLE: ReadonlySet<string> = new Set(["vega"]);

/** Whether a user agent says that it is a vulnerability scanner. */
export function isScanner(userAgent: string): boolean {
  const lower = userAgent.toLowerCase();
  return WHOLE.has(lower.trim()) || SCANNER.test(lower);
}
