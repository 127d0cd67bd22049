/**
 * A value read as SQL, one letter a token:
 *
 *     s string   u unclosed string   n number   z null, true, false   v @variable   w other word
 *     o comparison   a arithmetic   l and, or, xor, &&, ||   c comment to the end   ( ) , ;
 *     f function( that only SQL has   g function( that may be a word   S select   U union
 *     F from, where, into   B order by, group by   H having, limit   K object (table, database)
 *     E verb (drop, insert)   W case, when, then   X name that only databases have
 *
 * Comments within the text count as spaces, but `/*! … *\/` is code, as MySQL reads it.
 */
export interface SqlTokens {
  letters: string;
  /** The last string is left open by the same quote that the value was thought to stand in. */
  rejoins: boolean;
  /** A comment within the text: no one writes one by accident. */
  hiddenComment: boolean;
}

const MAX_TOKENS = 400;

const WORDS = new Map<string, string>();
const say = (letter: string, words: string) => {
  for (const word of words.split(" ")) WORDS.set(word, letter);
};
say("l", "and or xor");
say("o", "like ilike rlike regexp similar between in is glob sounds collate escape overlaps isnull notnull");
say("a", "div mod binary not");
say("z", "null true false default unknown");
say("S", "select");
say("U", "union intersect except");
say("F", "from where into");
say("H", "having limit offset");
say(
  "K",
  "table database schema view index procedure function trigger tablespace login outfile dumpfile infile values immediate",
);
say(
  "E",
  "drop insert update delete create alter truncate exec execute declare grant revoke shutdown merge call handler backup restore dbcc openrowset",
);
say("W", "case when then");
say(
  "X",
  "waitfor information_schema sysobjects syscolumns sysusers sysdatabases sysprocesses pg_catalog pg_shadow pg_user pg_database pg_class pg_tables pg_sleep sqlite_master sqlite_schema sqlite_temp_master all_tables all_users user_tables user_tab_columns all_tab_columns dba_users dba_tables v$version v$session utl_http utl_inaddr dbms_pipe dbms_lock dbms_output ctxsys xp_cmdshell xp_regread xp_dirtree xp_fileexist sp_executesql sp_password sp_makewebtask sp_oacreate msysaccessobjects mysql.user mysql.db table_schema table_name column_name group_concat rowid rownum nvarchar varchar2 varchar tempdb msdb northwind msdasql sqloledb autonomous_transaction attnotnull attrelid atttypid sp_addsrvrolemember sp_add_job sp_addextendedproc sp_help sp_who xp_cmdshell current_database session_user coercibility connection_id",
);
const ONLY_SQL = new Set(
  "pg_sleep waitfor extractvalue updatexml load_file concat concat_ws group_concat substring substr substring_index ascii unhex hex char_length character_length ifnull nullif coalesce nvl isnull current_user session_user system_user json_keys json_extract row_count found_rows last_insert_id make_set find_in_set export_set name_const geometrycollection multipoint multipolygon linestring multilinestring aes_encrypt aes_decrypt des_encrypt des_decrypt md5 sha1 sha2 crc32 xmltype sys_eval sys_exec chr randomblob load_extension dbms_pipe.receive_message utl_inaddr.get_host_address utl_http.request extract_value lpad rpad lcase ucase strcmp to_char to_date to_number tonumber bit_and bit_or bit_xor procedure_analyse iif charindex patindex dense_rank array_agg string_agg query_to_xml database_to_xml pg_read_file pg_ls_dir lo_import lo_export lo_get current_setting getdate sysdate curdate curtime unix_timestamp from_unixtime utc_timestamp utc_date localtimestamp inet_aton inet_ntoa is_used_lock is_free_lock get_lock release_lock master_pos_wait stddev gtid_subset ltrim rtrim soundex quotename db_name object_id object_name col_name user_name suser_name suser_sname is_srvrolemember has_dbaccess fn_virtualfilestats xp_cmdshell randomuuid filetoblob starts_with period_add weight_string timestampadd timestampdiff json_arrayagg jsonb_pretty sqlite_version typeof zeroblob total_changes likelihood readfile writefile".split(
    " ",
  ),
);
/** Words of English as well: a call only with the arguments that SQL would give them. */
const CALLED_AS_SQL =
  /^(?:(?:database|schema|version|uuid)\(\s{0,5}(?:\/\*.{0,40}\*\/)?\s{0,5}\)|sleep\(\s{0,5}(?:$|['"@(]|\d{0,9}(?:\.\d{1,9})?\s{0,5}(?:[)*/+,-]|$)|\d{1,9}\.to_i|select\b|if\b|rand\b)|benchmark\(\s{0,5}[\d(]|cast\(.{1,80}\sas\s|(?:ord|bin|oct|conv|elt|instr|variance|analyse|polygon)\(\s{0,5}(?:['"@(*]|0x|[a-z_]{1,30}\(|select\b|\d+\s{0,5},))/;
const NO_ENGLISH = new Set(
  [...ONLY_SQL].filter(
    (word) =>
      word.includes("_") ||
      /^(concat|substr|substring|coalesce|ifnull|nullif|nvl|unhex|updatexml|extractvalue|chr|ascii|md5|sha1|iif)$/.test(
        word,
      ),
  ),
);
const MAY_BE_SQL = new Set(
  "count sum avg field quote now decode encode mid power pow exp sin cos tan atan pi radians degrees unicode std interval truncate changes rand sqrt greatest least convert char if replace left right length user count day year month date time min max any all some exists row values in like abs round floor ceil reverse repeat space position trim upper lower log format insert set sign mod array not binary or and xor between is case when then select union where from having".split(
    " ",
  ),
);

/** SQL Server's procedures, PostgreSQL's system functions, a SELECT glued together by a filter. */
const SYSTEM_NAME =
  /(?:^|\.)(?:xp|sp)_[a-z]|^(?:dbms|utl|sys)_?[a-z]{0,20}\.[a-z]|^pg_[a-z]+_|^select(?:char|case|concat)/;
/** Only to types that IPv6 addresses cannot look like. */
const CAST =
  /^::(?:jsonb?|text|int|varchar|bool|regclass|numeric|bytea|uuid|inet|xml|html|timestamp|money|name)\b/;
const SPACE = /[\s\u00a0]/;
const DIGIT = /[0-9]/;
const WORD_START = /[a-z_\u0080-\uffff]/;
const WORD_PART = /[a-z0-9_.$\u0080-\uffff]/;
const OPERATOR = /[=<>!~+\-*/%^&|:?@]/;
const COMPARING = /[=<>!~?]|^like$/;

/** Reads `text` (lower case) as if it began inside a string of `quote`, or outside. Linear. */
export function sqlTokens(text: string, quote: "'" | '"' | "`" | ""): SqlTokens {
  let letters = "";
  let rejoins = false;
  let hiddenComment = false;
  let at = 0;
  if (quote) {
    const end = text.indexOf(quote);
    if (end === -1) return { letters, rejoins, hiddenComment };
    letters = "s";
    at = end + 1;
  }
  while (at < text.length && letters.length < MAX_TOKENS) {
    const char = text.charAt(at);
    if (SPACE.test(char) || char === "\\") {
      at += 1;
    } else if (char === "'" || char === '"' || char === "`") {
      const end = closing(text, at + 1, char);
      if (end === -1) rejoins = char === quote;
      letters += end === -1 ? "u" : "s";
      at = end === -1 ? text.length : end + 1;
    } else if (text.startsWith("/*", at)) {
      if (text.charAt(at + 2) === "!") {
        at += 3;
        while (DIGIT.test(text.charAt(at))) at += 1;
        hiddenComment = true;
      } else {
        const end = text.indexOf("*/", at + 2);
        if (end === -1) {
          letters += "c";
          at = text.length;
        } else {
          hiddenComment = true;
          at = end + 2;
        }
      }
    } else if (text.startsWith("*/", at)) {
      at += 2;
    } else if (char === "#" || text.startsWith("--", at)) {
      const end = text.indexOf("\n", at);
      const rest = end === -1 ? text.length : end;
      const isComment =
        char === "#" ? /^#[\s)'"]*$/.test(text.slice(at, at + 40)) || end !== -1 : isDash(text, at);
      if (isComment && end === -1) letters += "c";
      if (isComment && end !== -1) hiddenComment = true;
      at = isComment ? rest : at + (char === "#" ? 1 : 2);
      if (!isComment) letters += "a";
    } else if (DIGIT.test(char) || (char === "." && DIGIT.test(text.charAt(at + 1)))) {
      at = endOfNumber(text, at);
      letters += "n";
    } else if (char === "@") {
      let end = at + 1;
      while (end < text.length && (text.charAt(end) === "@" || WORD_PART.test(text.charAt(end)))) end += 1;
      letters += text.startsWith("@@", at) && end > at + 2 ? "X" : end > at + 1 ? "v" : "a";
      at = end;
    } else if (WORD_START.test(char)) {
      let end = at + 1;
      while (end < text.length && WORD_PART.test(text.charAt(end))) end += 1;
      const letter = wordLetter(text.slice(at, end), text, end);
      // `order by`, `group by`: two words, one token.
      if (letter === "y") letters = letters.endsWith("O") ? `${letters.slice(0, -1)}B` : `${letters}w`;
      else letters += letter;
      at = end;
    } else if (char === "(" || char === ")" || char === "," || char === ";") {
      letters += char;
      at += 1;
    } else if (text.startsWith("::", at) && CAST.test(text.slice(at, at + 14))) {
      letters += "X"; // PostgreSQL's cast
      at += 2;
      while (at < text.length && WORD_PART.test(text.charAt(at))) at += 1;
    } else if (OPERATOR.test(char)) {
      let end = at + 1;
      while (end < text.length && end < at + 3 && OPERATOR.test(text.charAt(end)) && !stops(text, end))
        end += 1;
      const operator = text.slice(at, end);
      letters +=
        operator.startsWith("||") || operator.startsWith("&&") ? "l" : COMPARING.test(operator) ? "o" : "a";
      at = end;
    } else {
      at += 1;
    }
  }
  return { letters: letters.replaceAll("O", "w"), rejoins, hiddenComment };
}

/** What begins here is no part of the operator before it. */
function stops(text: string, at: number): boolean {
  return ["--", "/*", "||", "&&"].some((start) => text.startsWith(start, at));
}

/** `--` begins a comment at the end, before a blank, or (as sqlmap writes it) before `+`. */
function isDash(text: string, at: number): boolean {
  const next = text.charAt(at + 2);
  return next === "" || next === "+" || next === "-" || SPACE.test(next) || /['")]/.test(next);
}

/** The end of a string: a doubled or escaped quote does not end it. */
function closing(text: string, from: number, quote: string): number {
  let at = text.indexOf(quote, from);
  while (at > from && text.charAt(at - 1) === "\\") at = text.indexOf(quote, at + 1);
  return at;
}

function endOfNumber(text: string, from: number): number {
  let at = from + 1;
  if (text.charAt(from) === "0" && /[xb]/.test(text.charAt(at))) {
    at += 1;
    while (/[0-9a-f]/.test(text.charAt(at))) at += 1;
    return at;
  }
  while (/[0-9.]/.test(text.charAt(at))) at += 1;
  if (text.charAt(at) === "e" && /[0-9]/.test(text.charAt(at + 1))) {
    at += 1;
    while (DIGIT.test(text.charAt(at))) at += 1;
  }
  return at;
}

function wordLetter(word: string, text: string, end: number): string {
  const calls = text.charAt(end) === "(";
  if (calls && (ONLY_SQL.has(word) || CALLED_AS_SQL.test(text.slice(end - word.length, end + 90))))
    return "f";
  const known = WORDS.get(word) ?? (word.endsWith(".") ? undefined : WORDS.get(word.split(".", 1)[0] ?? ""));
  if (known) return known;
  if (SYSTEM_NAME.test(word)) return "X";
  if (word === "by") return "y";
  if (word === "order" || word === "group") return "O";
  if (calls && MAY_BE_SQL.has(word)) return "g";
  // With a blank between only for what is no English: `sleep (apnoea)` is none.
  return NO_ENGLISH.has(word) && /^\s{1,8}\(/.test(text.slice(end, end + 9)) ? "f" : "w";
}
