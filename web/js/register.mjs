// Registers an extension, unless another copy of this pack has done so.

export function registerOnce(app, extension) {
  if (!app.extensions.some(({ name }) => name === extension.name)) app.registerExtension(extension);
}
