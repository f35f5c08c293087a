//! What a publish has to say about a root that ends soon.

use bulla::publish::RootNotice;
use tuf_schema::Gun;

use crate::context::Context;

/// Says it.
pub(crate) fn tell(gun: &Gun, notice: &RootNotice, context: &Context) {
    let warning = match notice {
        RootNotice::Renewed { until } => {
            return context.out.note(&format!("The root of {gun} was about to end; it was signed anew, until {until}"));
        }
        RootNotice::KeyElsewhere { expires } => format!(
            "the root of {gun} ends on {expires}, and nobody will trust the repository after that; whoever \
             holds the root key should sign it anew before (bulla renew {gun}, or any publish)"
        ),
        RootNotice::NotRenewed { expires, why } => {
            format!("the root of {gun} ends on {expires} and could not be signed anew: {why}")
        }
        RootNotice::CertificateEnds { expires } => format!(
            "the certificate in the root of {gun} ends on {expires}, and new readers will refuse the root \
             after that; have it renewed before (bulla renew {gun})"
        ),
    };
    context.out.warn(&warning);
}
