/** Most values have none of this, and end here. */
const WORTH_READING =
  /[<>=(`[{:]|&[#a-z]|%[0-9a-f]|\\[ux]|\+ad|expression|script|document\.|window\.|\.cookie/;

/** Elements that are in no name or code. Plain text (a, b, i…) needs an attribute that runs. */
const ELEMENT =
  /<[/\s]{0,40}(?:[a-z]{1,10}:)?(?:script|svg|img|image|iframe|frame|frameset|object|embed|applet|body|html|head|meta|link|style|base|input|button|textarea|select|option|isindex|video|audio|source|track|math|template|marquee|bgsound|layer|ilayer|xml|xss|noscript|noembed|plaintext|details|dialog|keygen|command|animate|animatetransform|set|foreignobject|use|handler|import|canvas|picture|portal|slot|blink|stylesheet|transform|root|event-source|blah|scr|vmlframe|rect|feimage|maction|mglyph|f o r m)(?![a-z0-9.,;-])/;
/** Tags that only lay out text, as people paste it from pages: nothing in them can run. */
const LAYOUT =
  "[a-z][a-z0-9]{0,9}(?:\\s{1,9}(?:(?:class|id|width|height|border|cellpadding|cellspacing|align|valign|colspan|rowspan|lang|dir|title|alt|rel|target)\\s?=\\s?(?:\"[^\"<>]{0,80}\"|'[^'<>]{0,80}'|[\\w%-]{1,40})|href=[\"'](?!(?!https?:)[^\"'<>/.]{0,30}:)[^\"'<>&\\\\]{0,200}[\"'])){0,9}\\s{0,9}(?:/?>|['\"]?$)";
const ODD_TAGS = new RegExp(
  `<(?:!(?:--|\\[|doctype|entity|element|attlist)|\\?(?:xml|php|import|=)|%|/[a-z][a-z0-9]{1,20}\\s*>\\s*["';]|(?!${LAYOUT})[a-z][a-z0-9:-]{0,30}[\\s/][^<>]{0,200}(?:=|on[a-z]{3}))|--!?>\\s{0,9}<|]]>|%>`,
);
const HANDLER =
  /(?:^|[\s"'`/;&?>(,x\\])on(?!set\s|set=\d|cology|going|line\s|site|demand|ward|dan|abot|asem|caspar|glyza|pattro|ivyde|ureg)[a-z]{3,30}(?:\s|%[0-9a-f]{2}|\/\*[^*]{0,20}\*\/){0,8}=/;
const SCHEME =
  /(?:javascript|vbscript|livescript|mocha|jscript):|data:(?:text\/(?:html|xml|javascript)|image\/svg|application\/(?:xml|xhtml|x-javascript)|[a-z/]{0,30};base64|,\S)|view-source:|feed:(?:javascript|data)/;
const STYLE =
  /expression\(|-moz-binding|behaviou?r:\s?url|@import|url\(["']?(?:javascript|data:)|-o-link|style\s{0,9}=\s{0,9}(?:["'`]|[\w-]{1,30}:)|:\s?expr\/?\*?|background(?:-image)?:\s?url|http-equiv|allowscriptaccess|formaction|xmlns\s?=|xlink:|srcdoc|datasrc|dataformatas|#default#/;
const CALL =
  /\b(?:alert|prompt|confirm|import|fetch|write|require|eval|settimeout|setinterval|fromcharcode|atob|execscript|msgbox|xmlhttprequest|expression|writeln|constructor)(?:\(|`|&lpar;|\\u0028|\\x28|\[|\.call|\.apply)/;
const OBJECT =
  /\b(?:document|window|self|top|parent|this|frames|globalthis|location|navigator|opener|content)\s{0,9}(?:\.\s{0,9}(?:cookie|location|write|domain|body|href|url|referrer|forms|createelement|getelement|queryselector|documentelement|constructor|name|eval|alert|open|hash|search|domain|execcommand|setattribute|appendchild|defaultview|innerhtml|addeventlistener|__)|\[)|string\.fromcharcode|\.(?:innerhtml|outerhtml|srcdoc|constructor|__proto__|prototype|source)\b|__(?:proto|define[gs]etter|lookup[gs]etter|parent|noSuchMethod)__|\[["'][a-z\\]{1,20}["']\]\s?\(|new\s(?:function|image|activexobject|xmlhttprequest)\b|function\(\)|function\s?\([a-z, ]{0,40}\)\s?\{|=>\s?\{|\b(?:valueof|tostring)\s?=|\bvoid\(0|activexobject/;
const JS_CODED =
  /(?:!\[\]|\[\]\[|!!\[|\+\[\]|\(!\[|\[!|~\[\]|\$=|_=)[^a-z]{0,20}[[\](+!]{3}|\{\{[^{}]{0,80}(?:constructor|\$|\(|\*)|\$\{[^}]{0,100}\(|\+ad[w4]-|[+ ]ad[w4]-.{0,60}[+ ]ad[w4]|\+aci-|[;}]\s?(?:alert|eval)|<\w{1,20}\s?\/?\s?>\s?alert/;
/** People do not type a bracket as `&#0060;`, `\u003c` or `%253c`. */
const CODED_BRACKET =
  /&#x?0{0,8}(?:3c|3e|60|62)(?:;|$|[^0-9a-f])|\\(?:u00|x)3c|%25(?:25)?3c|%3c\s?(?:script|x|img|svg|%)|&lt;?\s?\/?(?:script|svg|img|iframe|x\b)/;

const RULES = [ELEMENT, ODD_TAGS, HANDLER, SCHEME, STYLE, CALL, OBJECT, JS_CODED, CODED_BRACKET];
/** What browsers skip inside of a scheme: `java&#9;script:`. */
const SKIPPED = /[\s\p{Cc}\\"'`+]|\/\*[^*]{0,80}\*\//gu;
const HINT_OF_SCHEME = /j[^a-z]{0,9}a|v[^a-z]{0,9}b|l[^a-z]{0,9}i|m[^a-z]{0,9}o/;

/** Whether a form of a value (lower case) reads like HTML or script that a page would run. */
export function looksLikeMarkup(text: string): boolean {
  if (!WORTH_READING.test(text)) return false;
  if (RULES.some((rule) => rule.test(text))) return true;
  if (!text.includes(":") || !HINT_OF_SCHEME.test(text)) return false;
  return SCHEME.test(text.replace(SKIPPED, ""));
}
