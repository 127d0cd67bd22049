/** Most values have nothing that a template or an expression would follow, and end here. */
const WORTH_READING = /[{[(]|<%|__|_\$|\.constructor|process\.|child_process|classloader|java\.|jndi/;

const RULES = [
  // the start of an expression: `{{7*7}}`, `${7*7}`, `#{…}`, `*{…}`, `<%= …`, `{% … %}`
  /\{\{[^{}]|\$\{[^\s}]|#\{[^\s}"]|\*\{[^\s}]|%\{[#(]|\{%-?\s?(?:if|for|set|include|import|extends|block|raw|macro|load|debug|print)\b|<%|@\{\s{0,9}[[(]|\[\[\$/,
  /\bjndi\s?:|\$\{[^}]{0,40}:-/,
  // prototypes and constructors, also as the parts of a name
  /__(?:proto|js_function|(?:globals|builtins|class|mro|subclasses|import|init)__)|_\$\$nd_func\$\$_|\bthis\.constructor|constructor\.(?:constructor|prototype)|\[["']?(?:constructor|prototype|__proto__)["']?\]/,
  // Node, Java, PHP
  /\bprocess\.(?:binding|mainmodule|env\b|exit|dlopen)|\brequire\s?[[(]|\bchild_process\b|\bclass\.module\.|classloader|\bjava\.(?:lang|io|util|net)\.|getruntime\(|getclass\(|\bt\(java/,
  /\b(?:while|for)\s?\(\s?(?:!|true\b|1\s?\)|;;)/,
  // lookups that an object mapper would follow: `user__profile__city__startswith`
  /^[a-z0-9_]{1,80}__(?:[gl]te?|i?(?:exact|contains|startswith|endswith|regex)|isnull|range)(?:$|=)|["'][a-z0-9_]{1,80}__(?:[gl]te?|i?(?:exact|contains|startswith|endswith|regex)|isnull|range)["']\s?:/,
];

/** Whether a value in lower case reads like an expression of a template or object mapper. */
export function looksLikeTemplate(text: string): boolean {
  return WORTH_READING.test(text) && RULES.some((rule) => rule.test(text));
}
