//! Tables: which extensions and media types are what, and which of them contradict each other.

use lodge_domain::Suspicion;

/// Extensions, by what opening such a file does. Lower case.
const EXTENSIONS: [(Suspicion, &str); 6] = [
    (
        Suspicion::Executable,
        "exe com scr pif cpl dll sys drv ocx msi msp mst msix appx appxbundle msixbundle gadget xll jar class apk xapk \
         ipa app deb rpm pkg run elf so dylib application appref-ms crx xpi appimage flatpakref snap",
    ),
    (
        Suspicion::Script,
        "bat cmd ps1 ps1xml ps2 psm1 psd1 psc1 vb vbs vbe js jse mjs ws wsf wsc wsh sct msh sh csh ksh bash zsh fish \
         command scpt scptd applescript workflow py pyc pyw pyz pl rb php phar reg inf ins isp job",
    ),
    (Suspicion::Macro, "docm dotm xlsm xltm xlam xla xlm pptm potm ppam ppsm sldm"),
    (Suspicion::DiskImage, "iso img vhd vhdx vmdk vdi qcow2 dmg udf wim esd toast sparseimage"),
    (
        Suspicion::Shortcut,
        "lnk url webloc inetloc desktop scf library-ms search-ms searchconnector-ms settingcontent-ms website rdp theme \
         themepack diagcab",
    ),
    (
        Suspicion::ActiveContent,
        "html htm xhtml xht shtml mht mhtml svg svgz hta htc xsl xslt chm hlp swf jnlp one onepkg slk iqy",
    ),
];

/// Extensions that people take for harmless: what a second, true extension hides behind.
const DOCUMENTS: &str = "pdf doc docx xls xlsx ppt pptx odt ods odp rtf txt csv log jpg jpeg png gif bmp tif tiff heic webp \
                         mp3 mp4 mov avi wav zip rar 7z eml msg ics";

/// Declared media types, by what opening such a file does.
const DECLARED: [(Suspicion, &str); 5] = [
    (
        Suspicion::Executable,
        "application/x-msdownload application/x-msdos-program application/x-dosexec application/x-executable \
         application/vnd.microsoft.portable-executable application/x-msi application/java-archive \
         application/x-java-archive application/vnd.android.package-archive application/x-mach-binary \
         application/vnd.debian.binary-package application/x-rpm application/x-elf",
    ),
    (
        Suspicion::Script,
        "application/javascript text/javascript application/x-javascript application/ecmascript text/vbscript \
         application/x-sh application/x-shellscript text/x-shellscript application/x-bat application/x-powershell \
         application/x-php application/x-httpd-php text/x-python application/x-perl",
    ),
    (
        Suspicion::DiskImage,
        "application/x-iso9660-image application/x-apple-diskimage application/x-cd-image application/x-virtualbox-vhd",
    ),
    (Suspicion::Shortcut, "application/x-ms-shortcut application/internet-shortcut application/x-mswinurl"),
    (
        Suspicion::ActiveContent,
        "text/html application/xhtml+xml image/svg+xml application/hta application/x-shockwave-flash \
         application/vnd.ms-htmlhelp",
    ),
];

/// What opening a file with this extension does.
pub(super) fn of_extension(extension: &str) -> Option<Suspicion> {
    listed(&EXTENSIONS, extension)
}

/// What opening a file of this declared type does.
pub(super) fn of_declared(declared: &str) -> Option<Suspicion> {
    let bare = bare(declared);
    if bare.contains("macroenabled") {
        return Some(Suspicion::Macro);
    }
    listed(&DECLARED, &bare)
}

/// Whether people take a file with this extension for harmless.
pub(super) fn is_document(extension: &str) -> bool {
    DOCUMENTS.split_whitespace().any(|known| known == extension)
}

fn listed(table: &[(Suspicion, &str)], word: &str) -> Option<Suspicion> {
    let has = |words: &str| words.split_whitespace().any(|known| known == word);
    table.iter().find(|(_, words)| has(words)).map(|(suspicion, _)| *suspicion)
}

fn bare(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_lowercase()
}

/// Kinds coarse enough that honest files do not contradict themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Picture,
    Sound,
    Portable,
    /// Office files, old and new, and every archive: honest programs mix up their names, and encrypted new ones look
    /// like old ones.
    Packed,
    Text,
    Program,
}

fn of_media_type(media_type: &str) -> Option<Kind> {
    let bare = bare(media_type);
    let (top, sub) = bare.split_once('/')?;
    let has = |words: &[&str]| words.iter().any(|word| sub.contains(word));
    match top {
        _ if sub == "svg+xml" => Some(Kind::Text),
        "image" => Some(Kind::Picture),
        "audio" | "video" => Some(Kind::Sound),
        "text" | "message" => Some(Kind::Text),
        "application" if sub == "pdf" => Some(Kind::Portable),
        "application" if sub == "ogg" || sub == "mp4" => Some(Kind::Sound),
        "application" if of_declared(&bare) == Some(Suspicion::Executable) => Some(Kind::Program),
        "application" if has(&["android.dex", "android.dey", "wasm", "llvm"]) || sub == "java" => {
            Some(Kind::Program)
        }
        "application" if has(&["json", "xml", "javascript", "ecmascript"]) && !has(&["officedocument"]) => {
            Some(Kind::Text)
        }
        "application"
            if has(&[
                "zip",
                "rar",
                "7z",
                "tar",
                "gzip",
                "compress",
                "xz",
                "zstd",
                "officedocument",
                "opendocument",
                "msword",
                "ms-excel",
                "ms-powerpoint",
                "ole-storage",
                "rtf",
                "ms-outlook",
            ]) =>
        {
            Some(Kind::Packed)
        }
        _ => None,
    }
}

fn of_name(extension: &str) -> Option<Kind> {
    const NAMED: [(Kind, &str); 5] = [
        (Kind::Picture, "jpg jpeg png gif bmp tif tiff webp heic heif avif ico psd"),
        (Kind::Sound, "mp3 mp4 m4a m4v mov avi mkv webm wav ogg opus flac aac amr 3gp wma wmv mpg mpeg"),
        (Kind::Portable, "pdf"),
        (
            Kind::Packed,
            "zip docx xlsx pptx odt ods odp epub doc xls ppt msg rtf 7z rar gz tgz bz2 xz tar zst docm xlsm pptm pages \
             numbers key",
        ),
        (Kind::Text, "txt csv log md json xml ics vcf eml html htm svg"),
    ];
    let known = NAMED.iter().find(|(_, words)| words.split_whitespace().any(|known| known == extension));
    known
        .map(|(kind, _)| *kind)
        .or_else(|| (of_extension(extension) == Some(Suspicion::Executable)).then_some(Kind::Program))
}

/// Whether the content is of another kind than both the name and the declared type say. Where neither says anything, or
/// the content is nothing that is known, there is nothing to contradict.
pub(super) fn contradict(sniffed: Option<&str>, declared: &str, extension: Option<&str>) -> bool {
    let Some(seen) = sniffed.and_then(of_media_type) else { return false };
    let claims = [of_media_type(declared), extension.and_then(of_name)];
    // Tables and letters of old office programs are often text or HTML inside.
    let agrees = |claim: Kind| claim == seen || (claim == Kind::Packed && seen == Kind::Text);
    let mut claims = claims.into_iter().flatten().peekable();
    claims.peek().is_some() && !claims.any(agrees)
}
