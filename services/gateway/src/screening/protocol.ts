const WORTH_READING =
  /[\r\n]|[)*(]\s{0,5}[(!)]|\)\s?\(|http\/|%00|%0[da]%0|%[3-7][0-9a-f]%|php_value|php_admin/;

const HTTP = [
  // a header or a request of its own behind a line end
  /[\r\n]\s{0,5}(?:content-(?:type|length|disposition|encoding)|set-cookie|location|transfer-encoding|host|remote-addr|refresh|x-forwarded-[a-z]{2,10}|access-control-[a-z-]{4,30})\s{0,3}:/,
  /[\r\n]\s{0,5}(?:get|post|head|put|delete|options|trace|connect|patch|propfind)\s{1,5}(?:\/|https?:)/,
  /(?:^|\s)(?:get|post|head|put|delete|options|trace|connect|patch)\s\S{1,200}\shttp\/\d/,
  /[\r\n]\s{0,5}http\/\d|%00|%0d%0a|\bphp_(?:admin_)?value\b/,
];
/** Mail: SMTP, POP3, and IMAP with its tags. */
const MAIL = [
  /[\r\n](?:(?:rcpt to|mail from)\s?:|(?:ehlo|helo|expn|vrfy|retr|dele|apop|top|user|pass)\s{1,3}\S|(?:quit|rset|data|noop|stat|starttls)(?:[\r\n]|$)|help\s[a-z])/,
  /[\r\n][a-z]{1,4}\d{1,5}\s{1,3}(?:append|examine|select|status|copy|search|store|fetch|list|lsub|create|delete|rename|subscribe|uid|login|logout|authenticate|starttls|capability|noop)\b/,
];
/** A filter that ends its bracket and opens one of its own. */
const LDAP =
  /\)\s{0,5}\(\s{0,5}[|&!]|\)\([a-z]{2,40}\s?=|\*\)\s{0,5}[!(|&]|\(\s{0,3}[|&]\s{0,3}\(|\(\s?[|&!]\s?\)|\)\s?[|&!]\s?\([a-z]{1,40}=/;

/** Letters and digits still percent-encoded after all decoding: nothing honest needs that. */
const CODED_LETTERS = /(?:%(?:3\d|[46][1-9a-f]|[57][0-9a])){4}/;

const RULES = [CODED_LETTERS, ...HTTP, ...MAIL, LDAP];

/** Whether a form of a value (lower case) would end the line or filter around it and go on. */
export function looksLikeProtocol(text: string): boolean {
  return WORTH_READING.test(text) && RULES.some((rule) => rule.test(text));
}
