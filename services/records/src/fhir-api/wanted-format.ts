import { NotAcceptable } from "@medvault/contracts";

const JSON_FORMAT = /^(json|text\/json|application\/((fhir|problem)\+)?json)$/;
const ANY = /^(\*\/\*|application\/\*)$/;

/**
 * Requires that an answer in JSON will do, by `_format` or else by `Accept`. Throws NotAcceptable.
 */
export function requireJson(accept: string | undefined, format: string | undefined): void {
  if (format !== undefined) {
    // A plus in a query is a blank.
    if (!JSON_FORMAT.test(format.replace(" ", "+").split(";")[0]?.trim() ?? "")) throw new NotAcceptable();
    return;
  }
  if (accept === undefined || accept.trim() === "") return;
  const types = accept.split(",").map((one) => one.split(";")[0]?.trim().toLowerCase() ?? "");
  if (!types.some((type) => ANY.test(type) || JSON_FORMAT.test(type))) throw new NotAcceptable();
}
