import { sqlTokens } from "./sql-tokens.ts";

/** Where a value may stand in a statement: outside of strings, or inside one of each quote. */
const QUOTES = ["'", '"', "`"] as const;

/** Most values have nothing beyond words, numbers and single spaces, and end here. */
const WORTH_READING =
  /['"`=<>!();#@*|&$\\]|--|::|e-308|^\/\d|procedure analyse|\b(?:select|union|except|and|or|xor|order|having|r?like|is|drop|insert|delete|update|create|alter|exec|execute|waitfor|group|case|div|msdb|tempdb|northwind|row(?:id|num)|table_name|column_name|information_schema|sys[a-z]+|msys[a-z]+|sqlite_[a-z]+|all_[a-z]+|user_[a-z]+|dba_[a-z]+|xp_[a-z]+|sp_[a-z]+|pg_[a-z]+)\b/;
/** MongoDB's operators as keys, MySQL's `1.e(` and quoted aliases, numbers that overflow. */
const ODDITIES =
  /^\/\d{1,9} (?:and|or)\b|^;;|'\s{0,3},\s{0,3}0x[0-9a-f]{2}|^'(?:\d:){2}\d$|^['\x22](?:alter|drop|create|insert|delete)\s[a-z]{1,20}$|^&&\s?[(!]|^(?:>>|<<|<=>|r(?:like|egexp)|regexp)$|^;\s?(?:select|insert|delete|update|alter)$|^--(?:alter|select|drop|insert|union)\b|=\s?\(\s?select\b|\bprocedure analyse\s?\(|\bfrom [a-z0-9_.]{1,40} (?:group|order) by\b|^(?:and|or) '\d{1,9}'|[a-z0-9)'"];--|^`>|^['"`]\\\d|(?:'\.){4}|(?:^|["'[{&])\s{0,3}\$(?:ne|eq|gte?|lte?|n?in|where|regex|not|n?or|and|text|exists|expr|size|all|elemmatch|type|mod)\b|\d\.e[(.,)]|`\s{1,9}as\s{1,9}`|2\.225073858507201\de-308|\\0x[0-9a-f]{3}|^exec(?:ute)?\s(?:immediate\b|[a-z0-9_.]{1,60}\s?['(@;]|[a-z0-9]{1,40}[._][a-z0-9_.]{1,60}|(?!plan|order)[a-z]{2,20}$)|!@#|[;>]\s?set\s@|^\d{1,9}\s?!=\s?\d|^(?:rand|floor|minute|user|ln|if|length|version|year|day|month|ceil|round|database|substr|hour|second|sign|md5)\b[^a-z0-9]{0,5}\($/;

const X = "[nsuzvwXfg]";
/** `or 1=1`, `and 'a' like 'a'`, `|| 1 = 1`. */
const TAUTOLOGY = /la*[nsuzv]a*oa*[oa]*[nsuzvwXfg]/;
/** Words before a quote: someone writes, and the quote is an inch or an apostrophe. */
const PROSE = /[a-z]{2}\s+\S*[a-z]{2}\S*\s+\S*[a-z]{2}/;
/** Outside of a string. Parentheses are left out of what these see. */
const EXPRESSIONS = [
  TAUTOLOGY,
  /^[ans]*la*w[oa]+[nsuzv](?!w)/,
  /la*g[gnsvzuw]*[oa]/,
  /lwou$|^lwo$/,
  /^l[sn]o/,
  /^sos/,
  /,non/,
  /^nonz$/,
  /;wv/,
  /^la*[nzv]c?$/,
  /(?:^|[ns])c?l[al]*(?:[nvz]c)$/,
  /la*wow?c/,
  // `1 or sleep`, `-1 and 1`: an operand, a word of logic, an operand, and the rest cut off
  new RegExp(`^a*[nsv](?=[^c]*[ol])(?:[aol]+${X})+c$`),
  /^a*[nsv](?:a+[nsuzvXfg])+c$/,
  /l[al]*[fX]/,
];
const STATEMENTS = [
  /U[wz]*\(*S/,
  /U(?:w|,|\()*\(S/,
  /S[^;]*[*,(nvfgX][^;]*F/,
  /S\(*[nvzX]\)*(?:[,c;aoU]|$)/,
  /SwFw(?:[F;cHBU]|$)/,
  /[(;a]\(*S(?:[(nvzXfgsw*a])/,
  /Sfg?/,
  /S\(*[sw],/,
  /EK/,
  /W[^W]*W[^W]*[nsuzvof(][^W]*W/,
  /[;,)suc]EFw/,
  /EFw[^w]*[KSF(;c]/,
  /Ev/,
  /(?:^|;)S.*F/,
  /;EX/,
  /f/,
  /S\(?g/,
  /Sw\(/,
  /S[^;]*B/,
  /Hg/,
  /\)wwF/,
  /^[gKz]\($/,
  /\)W/,
  /E\([avs]/,
  /^\)o\(/,
  /;EF/,
  /;Ew\(/,
  /F(?:K|wF)/,
  /;wwwK/,
  /X/,
];
const CLAUSES = [/(?:^|[ns)])B[a(]*[nfX(]/, /(?:^|[nsw)'])H[(a]*n[ao,]/, /^Hn?o/];

/** `' or '`, `'+'`, but neither `"ON"` nor `'and'` nor `"*"`, which people write. */
const ONE_OPERATOR =
  /^(?!'[a-z]{2,4}'$)[^\s'"]{0,40}'(?:and|or|xor|div|mod|like)'[^\s'"]{0,40}$|'[^a-z'"]{1,40}'|(?:^[^a-z'"]{0,9}['"] {1,9}[a-z]{2,7}(?: [a-z]{2,7})? {0,9}['"])|['"] {1,9}[a-z]{2,7}(?: [a-z]{2,7})? {0,9}['"][^a-z'"]{0,9}$|['"][a-z]{2,7} {1,9}['"]/;

const ESCAPED_QUOTE = /\\(['"`])/g;

/** Whether a value in lower case reads like SQL that would change the statement around it. */
export function looksLikeSql(text: string): boolean {
  if (!WORTH_READING.test(text)) return false;
  if (readsAsSql(text)) return true;
  // Whether `\'` ends a string depends on who reads it: standard SQL says that it does.
  const unescaped = text.includes("\\") ? text.replace(ESCAPED_QUOTE, "$1") : text;
  return unescaped !== text && readsAsSql(unescaped);
}

function readsAsSql(text: string): boolean {
  return (
    ODDITIES.test(text) ||
    isSql(text, "") ||
    QUOTES.some((quote) => text.includes(quote) && isSql(text, quote))
  );
}

function isSql(text: string, quote: "" | (typeof QUOTES)[number]): boolean {
  const { letters, rejoins, hiddenComment } = sqlTokens(text, quote);
  if (STATEMENTS.some((rule) => rule.test(letters)) || closesAndComments(letters)) return true;
  const flat = letters.replace(/[()]/g, "");
  if (PROSE.test(text.slice(0, text.indexOf(quote || text)))) return TAUTOLOGY.test(flat);
  if (EXPRESSIONS.some((rule) => rule.test(flat)) || CLAUSES.some((rule) => rule.test(flat))) return true;
  if (hiddenComment && quote !== "" && letters.startsWith("s")) return true;
  if (hiddenComment && /[a-zA-Z]{2}/.test(flat) && /[SUEFfoln]/.test(flat)) return true;
  if (quote === "") return false;
  // Out of the string and back into it, or out of it and the rest cut off.
  const expression = `s(?:[aol]+${X})*`;
  if (/^s[,;]*[oal].*c$|^slw[oa]|^sl.*c$|^slz|^ssl[nz]|^s,[nzs],[nzs]/.test(flat)) return true;
  if (rejoins && /^s[oal]u$/.test(flat)) return ONE_OPERATOR.test(text);
  if (rejoins && new RegExp(`^${expression}[aol]+u$`).test(flat)) return true;
  return new RegExp(`^${expression}c$`).test(flat);
}

/** `1) --`: a bracket that was open before, and the rest cut off. Not `B12 (1000 mcg) --`. */
function closesAndComments(letters: string): boolean {
  if (!letters.endsWith(")c")) return false;
  if (!letters.includes("w")) return /[oalfgX]|^[^(]*\)/.test(letters);
  return !/[nsw]w/.test(letters) && letters.split(")").length > letters.split("(").length;
}
