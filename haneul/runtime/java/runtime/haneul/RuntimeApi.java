package haneul;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** The Runtime API's client (AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes"), over one connection. */
final class RuntimeApi {
    private final String address;
    private final InputStream in;
    private final OutputStream out;

    RuntimeApi(String address) throws IOException {
        this.address = address;
        int colon = address.lastIndexOf(':');
        Socket socket = new Socket(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1)));
        socket.setTcpNoDelay(true);
        in = new BufferedInputStream(socket.getInputStream(), 65536);
        out = new BufferedOutputStream(socket.getOutputStream(), 65536);
    }

    /** An answer; the names of headers are in small letters. */
    static final class Answer {
        final Map<String, String> headers = new TreeMap<>();
        int status;
        byte[] body;
    }

    Answer next() throws IOException {
        return exchange("GET", "invocation/next", new byte[0], null);
    }

    void respond(String requestId, byte[] body) throws IOException {
        exchange("POST", "invocation/" + requestId + "/response", body, null);
    }

    void fail(String requestId, String errorType, byte[] document) throws IOException {
        exchange("POST", requestId == null ? "init/error" : "invocation/" + requestId + "/error", document, errorType);
    }

    private Answer exchange(String method, String path, byte[] body, String errorType) throws IOException {
        StringBuilder head = new StringBuilder();
        head.append(method).append(" /2018-06-01/runtime/").append(path).append(" HTTP/1.1\r\nHost: ").append(address);
        head.append("\r\nContent-Type: application/json\r\nContent-Length: ").append(body.length).append("\r\n");
        if (errorType != null) {
            head.append("Lambda-Runtime-Function-Error-Type: ").append(errorType).append("\r\n");
        }
        out.write(head.append("\r\n").toString().getBytes(StandardCharsets.ISO_8859_1));
        out.write(body);
        out.flush();
        return read();
    }

    private Answer read() throws IOException {
        Answer answer = new Answer();
        answer.status = Integer.parseInt(line().split(" ")[1]);
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            answer.headers.put(line.substring(0, colon).trim().toLowerCase(Locale.ROOT), line.substring(colon + 1).trim());
        }
        int length = Integer.parseInt(answer.headers.getOrDefault("content-length", "0"));
        answer.body = in.readNBytes(length);
        if (answer.body.length < length) {
            throw new EOFException();
        }
        return answer;
    }

    private String line() throws IOException {
        StringBuilder line = new StringBuilder();
        byte[] bytes = new byte[64];
        int count = 0;
        for (int b = in.read(); b != '\n'; b = in.read()) {
            if (b < 0) {
                throw new EOFException();
            }
            if (count == bytes.length) {
                bytes = java.util.Arrays.copyOf(bytes, 2 * count);
            }
            bytes[count++] = (byte) b;
        }
        return line.append(new String(bytes, 0, count, StandardCharsets.UTF_8)).toString().trim();
    }
}
