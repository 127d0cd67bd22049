import { FORMS } from "./schema.ts";

export interface Input {
  path?: Readonly<Record<string, string>>;
  query?: Readonly<Record<string, unknown>>;
  headers?: Readonly<Record<string, string | undefined>>;
  body?: unknown;
}

/** `GET /v1/patients/{id}` and its input as a request. Throws TypeError for a bad path value. */
export function targetOf(baseUrl: string, operation: string, input: Input): { method: string; url: string } {
  const [method = "", template = ""] = operation.split(" ");
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = input.path?.[name];
    if (!value || value === "." || value === "..") throw new TypeError(`${operation} needs ${name}`);
    // Tile paths hold slashes of their own; an id never does.
    return name === "path" ? value : encodeURIComponent(value);
  });
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(input.query ?? {})) {
    if (value !== undefined && value !== null) query.set(name, String(value));
  }
  const asked = query.size > 0 ? `?${query}` : "";
  return { method, url: `${baseUrl}${path}${asked}` };
}

/** The body as fetch takes it, made again for each attempt, so that files are read again. */
export function bodyOf(
  operation: string,
  input: Input,
): { body: FormData | string | null; type: string | null } {
  if (input.body === undefined) return { body: null, type: null };
  if (!FORMS.has(operation)) return { body: JSON.stringify(input.body), type: "application/json" };
  const form = new FormData();
  for (const [name, value] of Object.entries(input.body as Record<string, unknown>)) {
    for (const part of [value].flat()) {
      if (part !== undefined) form.append(name, part instanceof Blob ? part : String(part));
    }
  }
  return { body: form, type: null }; // fetch names the boundary itself
}
