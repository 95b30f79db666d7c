import init from './ui.js';

// Before anything is shown: the reader's choice of light or dark.
try {
  document.documentElement.dataset.theme = localStorage.getItem('exoclaw.theme') ?? '';
} catch {
  // Nothing is kept where the reader turned that off.
}

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
