/** What people type, and nothing of it may be refused for how it looks. */
export const ODD_TYPING: readonly string[] = [
  "drop table",
  "'; DROP TABLE patients; --",
  "<script>alert(1)</script>",
  "' OR '1'='1",
  '"quoted" and `ticked`',
  "%_\\",
  "../../etc/passwd",
  "$(whoami) | cat",
  "{{7*7}} #{x}",
  "*)(uid=*",
  "a\r\nb\tc",
  "\u202e txt.exe",
  "💊🧑‍⚕️",
  "x".repeat(200),
  "qz ".repeat(66),
  "'".repeat(200),
  "💊".repeat(100),
  "\u0301".repeat(200),
  "ﷺ".repeat(200),
  "ß".repeat(200),
];

/** Blanks and marks alone: part of nothing. */
export const NOTHING_TYPED: readonly string[] = [
  " ",
  "   ",
  "\t",
  "\u3000",
  "~",
  "'",
  "- - -",
  ".,;",
  "%",
  "\u200b",
  "💊",
];
