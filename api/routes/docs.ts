import { join } from 'node:path';
import getAbsoluteFSPath from 'swagger-ui-dist/absolute-path.js';
import { z } from 'zod';
import { AppError } from '../../shared/errors.ts';
import { type Operation, operation, type SelfSent } from '../operation.ts';
import { anyObject } from '../shapes/common.ts';

/** What the page needs of swagger-ui-dist; nothing else of the package is served. */
const FILES: Record<string, string> = {
  'favicon-32x32.png': 'image/png',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
};
const FOLDER = getAbsoluteFSPath();
const START = 'start.js';

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>pipeline-orchestrator API</title>
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/${START}"></script>
  </body>
</html>
`;

/** A file of its own, because the content security policy allows no inline script. */
const START_SCRIPT = `window.ui = SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
`;

/** Only this page may style elements inline, as Swagger UI does; everything comes from this service. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

function sendText(type: string, text: string): SelfSent {
  return (_request, response) =>
    void response.set('Content-Security-Policy', PAGE_POLICY).status(200).type(type).send(text);
}

const page = operation({
  id: 'getDocs',
  method: 'get',
  path: '/docs',
  tag: 'Service',
  summary: 'This description as a page',
  scope: 'open',
  answers: { 200: { description: 'The page.', schema: null, mediaType: 'text/html' } },
  async handle() {
    return sendText('html', PAGE);
  },
});

const file = operation({
  id: 'getDocsFile',
  method: 'get',
  path: '/docs/{file}',
  tag: 'Service',
  summary: 'Scripts and styles of the page',
  scope: 'open',
  params: z.object({ file: z.string() }),
  answers: { 200: { description: 'The file.', schema: null, mediaType: '*/*' } },
  failures: { 404: ['ROUTE_NOT_FOUND'] },
  async handle({ params }) {
    if (params.file === START) return sendText('text/javascript', START_SCRIPT);
    const type = Object.hasOwn(FILES, params.file) ? FILES[params.file] : undefined;
    if (!type) throw new AppError('ROUTE_NOT_FOUND', 404, 'There is no such file.');
    return (_request, response) =>
      new Promise((resolve, reject) => {
        response.type(type).set('Cache-Control', 'public, max-age=3600');
        response.sendFile(join(FOLDER, params.file), (error) =>
          error && !response.headersSent ? reject(error) : resolve(),
        );
      });
  },
});

/** @param document the OpenAPI document of all operations, these included */
export function docsOperations(document: () => object): readonly Operation[] {
  return [openapiOperation(document), page, file];
}

function openapiOperation(document: () => object): Operation {
  return operation({
    id: 'getOpenApi',
    method: 'get',
    path: '/openapi.json',
    tag: 'Service',
    summary: 'This description, OpenAPI 3.1',
    scope: 'open',
    answers: { 200: { description: 'The document.', schema: anyObject } },
    async handle() {
      return { status: 200, body: document() };
    },
  });
}
