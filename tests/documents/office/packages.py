"""Office documents made of XML, and what independent readers find in them."""

import io
import zipfile

import pytest

etree = pytest.importorskip("lxml.etree")

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
A = "http://schemas.openxmlformats.org/drawingml/2006/main"
NAMESPACES = (
    f'xmlns:w="{W}" xmlns:a="{A}" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:v="urn:schemas-microsoft-com:vml" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
)
TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"


def package(members):
    """Pack members by name; values are texts or bytes. The first one is stored if `mimetype`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, (2020, 1, 2, 3, 4, 6))
            info.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return stream.getvalue()


def open_xml(main_type, parts):
    """Pack an Office Open XML document; parts are (name, media type, XML), the main part first."""
    overrides = "".join(
        f'<Override PartName="/{name}" ContentType="application/{kind}"/>'
        for name, kind, _ in parts
        if kind
    )
    types = (
        f'<Types xmlns="{TYPES}"><Default Extension="xml" ContentType="application/xml"/>'
        f"{overrides}</Types>"
    )
    return package({"[Content_Types].xml": types} | {name: xml for name, _, xml in parts})


def docx(body, **parts):
    """Make a docx document of the content of its body, and of other parts by kind."""
    prefix = "vnd.openxmlformats-officedocument.wordprocessingml."
    main = f"<w:document {NAMESPACES}><w:body>{body}</w:body></w:document>"
    return open_xml(
        prefix,
        [
            ("word/document.xml", f"{prefix}document.main+xml", main),
            *(
                (
                    f"word/{kind}.xml",
                    f"{prefix}{kind}+xml",
                    f"<w:{kind} {NAMESPACES}>{xml}</w:{kind}>",
                )
                for kind, xml in parts.items()
            ),
        ],
    )


def member(data, name):
    """Return a member of an archive as text."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return archive.read(name).decode()


def tree(data, name):
    """Return a member of an archive as an lxml tree."""
    return etree.fromstring(member(data, name).encode())


def changed_members(before, after):
    """Return the names of the members whose content differs, and check that the rest is equal."""
    with (
        zipfile.ZipFile(io.BytesIO(before)) as old,
        zipfile.ZipFile(io.BytesIO(after)) as new,
    ):
        assert old.namelist() == new.namelist()
        return [name for name in old.namelist() if old.read(name) != new.read(name)]
