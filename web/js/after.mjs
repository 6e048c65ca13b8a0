// Lets something happen after one of the functions that an object has, or may get.

export function after(object, name, action) {
  const before = object[name];
  object[name] = function (...given) {
    const result = before?.apply(this, given);
    action(...given);
    return result;
  };
}
