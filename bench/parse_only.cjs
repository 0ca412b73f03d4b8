// A server of Node as its documentation shows it: parses each message, answers AA, stores nothing.
// usage: node parse_only.cjs simple-hl7|@medplum/hl7

const ANYWHERE = { host: "127.0.0.1", port: 0 };
const SERVERS = {
  "simple-hl7": ({ tcp }) => {
    const app = tcp();
    app.use((_request, response) => response.end());
    return app.start(ANYWHERE).server;
  },
  "@medplum/hl7": ({ Hl7Server }) => {
    const hl7 = new Hl7Server((connection) =>
      connection.addEventListener("message", ({ message }) => connection.send(message.buildAck())),
    );
    hl7.start(ANYWHERE);
    return hl7.server;
  },
};

const name = process.argv[2];
const server = SERVERS[name](require(name));
const tell = () => console.log(`ready mllp=127.0.0.1:${server.address().port}`);
if (server.listening) tell();
else server.once("listening", tell);
