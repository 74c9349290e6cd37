"""A bare re-encoding with PyAV, to compare ours with: run as a program by `bench recode`.

python -I bare_recode.py SOURCE MADE WIDTH HEIGHT QUALITY
"""

import sys

import av


def main() -> None:
    source, made, width, height, quality = sys.argv[1:]
    with av.open(source) as shown, av.open(made, "w", format="mp4") as out:
        seen = shown.streams.video[0]
        seen.thread_type = "AUTO"
        stream = out.add_stream("libx264", rate=seen.average_rate)
        stream.width, stream.height, stream.pix_fmt = int(width), int(height), "yuv420p"
        stream.codec_context.options = {"preset": "veryfast", "crf": quality}
        for picture in shown.decode(seen):
            scaled = picture.reformat(stream.width, stream.height, "yuv420p")
            out.mux(stream.encode(scaled))
        out.mux(stream.encode(None))


if __name__ == "__main__":
    main()
