// A Lambda function that answers {} to every event, with Node's standard library alone.
import http from "node:http";

const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true });

const call = (method, path, content) =>
  new Promise((resolve, reject) => {
    const request = http.request({ agent, hostname, port, method, path: `/2018-06-01/runtime/${path}` }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.headers));
    });
    request.on("error", reject);
    request.end(content);
  });

for (;;) {
  const event = await call("GET", "invocation/next");
  await call("POST", `invocation/${event["lambda-runtime-aws-request-id"]}/response`, "{}");
}
