// Says what a web page is about, with nothing but `fetch`.

const HEADINGS = 20;

export const tool = {
  async call(request) {
    const { url } = JSON.parse(request.arguments);
    const html = await read(url);
    const info = {
      title: texts(html, /<title[^>]*>([^<]*)</gi)[0] ?? null,
      description: texts(html, /<meta\s+name="description"\s+content="([^"]*)"/gi)[0] ?? null,
      headings: texts(html, /<h[12][^>]*>(.*?)<\/h[12]>/gis).slice(0, HEADINGS),
    };
    return { content: [{ tag: "json", val: JSON.stringify(info) }], isError: false };
  },
};

async function read(url) {
  const response = await fetch(url, { headers: { accept: "text/html" } }).catch((error) => {
    console.error(`fetch ${url}: ${error}`);
    throw failure("unavailable", `${url} is not granted, or its server is away`);
  });
  if (!response.ok) {
    throw failure("failed", `${url} answered with HTTP ${response.status}`);
  }
  return response.text();
}

/** What a pattern's group matches, without tags. */
function texts(html, pattern) {
  return [...html.matchAll(pattern)].map(([, text]) => text.replace(/<[^>]*>/g, "").trim());
}

function failure(kind, message) {
  return { kind, message, retryable: kind === "unavailable" };
}
