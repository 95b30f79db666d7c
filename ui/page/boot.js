import init from './ui.js';

// The loader's address is relative to this file, so that the page works under any path.
init({ module_or_path: new URL('./ui_bg.wasm', import.meta.url) }).then(
  () => document.getElementById('boot')?.remove(),
  (error) => {
    console.error(error);
    const boot = document.getElementById('boot');
    if (!boot) return;
    const text = document.createElement('p');
    text.textContent = `The page could not start: ${error}. It needs a browser with WebAssembly; reloading may help.`;
    boot.replaceChildren(text);
  },
);
