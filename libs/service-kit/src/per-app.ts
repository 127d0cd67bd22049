/** What belongs to an app (`req.app` in a handler), made on first use. */
export function perApp<T>(make: () => T): (app: object) => T {
  const made = new WeakMap<object, { readonly of: T }>();
  return (app) => {
    const known = made.get(app) ?? { of: make() };
    made.set(app, known);
    return known.of;
  };
}
