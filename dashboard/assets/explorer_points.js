// A job's points in the browser: one typed array per column, appended to while the job goes on.

((explorer) => {
    const TYPES = { i4: Int32Array, f4: Float32Array, u1: Uint8Array };
    const FIDELITIES = ["inherited", "finetuned"];
    const STATES = ["complete", "infeasible", "failed", "hopeless"];

    // Reads what explorer_payload.py packs.
    function unpack(buffer) {
        const length = new DataView(buffer).getUint32(0, true);
        const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
        const columns = {};
        for (const [name, type, at, size] of header.columns) {
            columns[name] = new TYPES[type](buffer, 4 + length + at, size);
        }
        return { ...header, columns };
    }

    function joined(first, second) {
        if (!first || first.length === 0) {
            return second;
        }
        const both = new first.constructor(first.length + second.length);
        both.set(first);
        both.set(second, first.length);
        return both;
    }

    // Rows of `from` bytes as rows of `to` bytes.
    function widened(bytes, from, to) {
        if (from === to) {
            return bytes;
        }
        const wide = new Uint8Array((bytes.length / from) * to);
        for (let row = 0; row * from < bytes.length; row++) {
            wide.set(bytes.subarray(row * from, (row + 1) * from), row * to);
        }
        return wide;
    }

    class Points {
        constructor() {
            this.count = 0;
            this.latest = 0;
            this.columns = {};
            this.width = 1;
            this.stays = { inherited: new Map(), finetuned: new Map() };
            this.kept = {};
        }

        append(part) {
            for (const [name, values] of Object.entries(part.columns)) {
                if (name !== "digest" && !name.includes(".")) {
                    this.columns[name] = joined(this.columns[name], values);
                }
            }
            const width = Math.max(this.width, part.digest_width);
            this.columns.digest = joined(
                widened(this.columns.digest || new Uint8Array(0), this.width, width),
                widened(part.columns.digest, part.digest_width, width),
            );
            this.width = width;
            for (const fidelity of FIDELITIES) {
                part.columns["entered." + fidelity].forEach((seq, at) => {
                    this.stays[fidelity].set(seq, part.columns["left." + fidelity][at]);
                });
            }
            this.count += part.count;
            this.latest = part.latest;
            this.kept = {};
        }

        // What is worked out once for as long as no point is added.
        once(name, make) {
            return (this.kept[name] ??= make());
        }

        // The values of a quantity in the unit of the ledger; NaN is not known.
        values(name) {
            if (name === "latency_predicted_ms") {
                return this.columns.latency_ms;
            }
            if (name !== "latency_ms") {
                return this.columns[name];
            }
            return this.once("latency", () => {
                const { latency_ms: predicted, latency_measured_ms: measured } = this.columns;
                return measured.map((value, row) => (Number.isNaN(value) ? predicted[row] : value));
            });
        }

        // Whether a row's place on an axis was measured: only then it is drawn as such.
        measured(row) {
            return !Number.isNaN(this.columns.latency_measured_ms[row]);
        }

        // The known values of complete evaluations, in order.
        sorted(name) {
            return this.once("sorted " + name, () => {
                const { state } = this.columns;
                return this.values(name)
                    .filter((value, row) => state[row] === 0 && Number.isFinite(value))
                    .sort();
            });
        }

        digest(row) {
            const bytes = this.columns.digest.subarray(row * this.width, (row + 1) * this.width);
            const end = bytes.indexOf(0);
            return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
        }

        fidelity(row) {
            return FIDELITIES[this.columns.fidelity[row]];
        }

        state(row) {
            return STATES[this.columns.state[row]];
        }

        // The row of an evaluation's number, -1 where it is not there.
        rowOf(seq) {
            const { seq: seqs } = this.columns;
            let [low, high] = [0, this.count - 1];
            while (low <= high) {
                const middle = (low + high) >> 1;
                if (seqs[middle] === seq) {
                    return middle;
                }
                [low, high] = seqs[middle] < seq ? [middle + 1, high] : [low, middle - 1];
            }
            return -1;
        }

        // The rows of an architecture.
        rowsOf(digest) {
            return this.once("rows of " + digest, () => {
                const wanted = new TextEncoder().encode(digest.padEnd(this.width, "\0"));
                const { digest: bytes } = this.columns;
                const rows = [];
                for (let row = 0; row < this.count && wanted.length === this.width; row++) {
                    let at = 0;
                    while (at < this.width && bytes[row * this.width + at] === wanted[at]) {
                        at++;
                    }
                    if (at === this.width) {
                        rows.push(row);
                    }
                }
                return rows;
            });
        }

        // The rows on the front of a fidelity as it was after an evaluation; 0 is now.
        front(fidelity, at) {
            const rows = [];
            for (const [entered, left] of this.stays[fidelity]) {
                const there = at ? entered <= at && (left === 0 || left > at) : left === 0;
                const row = there ? this.rowOf(entered) : -1;
                if (row >= 0) {
                    rows.push(row);
                }
            }
            return rows;
        }
    }

    Object.assign(explorer, { unpack, Points, FIDELITIES });
})((window.frontierExplorer ||= {}));
